package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ackproof/ackproof/bench/run"
	"github.com/ackproof/ackproof/reports"
)

func serveCommand(w world, code *int) *cobra.Command {
	var port int
	cmd := &cobra.Command{
		Use:   "serve DIR",
		Short: "Show a folder of runs as a local page, until interrupted",
		Long: `Show a folder of runs as a page on this machine, until interrupted: list and filter
them, open their reports, see how a figure has changed over time, tick some and
compare them. It listens on 127.0.0.1 alone, changes nothing, and gives away no
file but the reports of the runs that it lists.`,
		Example: `  ackproof serve runs
  ackproof serve runs --port 8090`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			index, err := run.NewIndex(args[0])
			if err != nil {
				return misuse{err}
			}
			listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if err != nil {
				return misuse{fmt.Errorf("listen: %w; choose another with --port, or none", err)}
			}
			// Who asks in another name than this one's may be a page of somebody else.
			server := &http.Server{Handler: runsHandler(index, display(args[0])), ReadHeaderTimeout: 10 * time.Second}
			fmt.Fprintf(w.stdout, "http://%s/\n", listener.Addr())
			fmt.Fprintln(w.stderr, "ackproof: serving until interrupted (ctrl-C)")
			stop := context.AfterFunc(cmd.Context(), func() { server.Close() })
			defer stop()
			*code = exitPass
			if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&port, "port", 0, "port (default: a free one)")
	return cmd
}

// runsHandler answers for a folder of runs.
func runsHandler(index *run.Index, title string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		runs, left, err := index.Runs()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		var listed []reports.Indexed
		for _, one := range runs {
			listed = append(listed, reports.Indexed{Path: one.Path, Result: one.Result, Problem: one.Problem})
		}
		page, err := reports.IndexHTML(title, listed, left, reports.IndexQuery{Trend: r.FormValue("trend"), Figure: r.FormValue("figure")})
		answerPage(w, page, err)
	})
	mux.HandleFunc("GET /compare", func(w http.ResponseWriter, r *http.Request) { compareTicked(w, r, index) })
	mux.HandleFunc("GET /run/{path...}", func(w http.ResponseWriter, r *http.Request) { giveReport(w, r, index) })
	return localOnly(mux)
}

// localOnly refuses what does not ask for this machine by its own name: a page of
// somebody else whose name leads here (DNS rebinding) could read the runs.
func localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if !slices.Contains([]string{"127.0.0.1", "localhost", "::1"}, host) {
			http.Error(w, "ask for 127.0.0.1", http.StatusForbidden)
			return
		}
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Content-Security-Policy", "frame-ancestors 'none'")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func answerPage(w http.ResponseWriter, page []byte, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(page) // who has gone away needs no answer
}

// maxTicked is how many runs are compared at once.
const maxTicked = 50

// compareTicked compares the runs that were ticked, by their paths.
func compareTicked(w http.ResponseWriter, r *http.Request, index *run.Index) {
	paths := r.URL.Query()["run"]
	if len(paths) < 2 || len(paths) > maxTicked {
		http.Error(w, fmt.Sprintf("tick from 2 to %d runs", maxTicked), http.StatusBadRequest)
		return
	}
	var dirs []string
	for _, path := range paths {
		one, ok := index.Find(path)
		if !ok || one.Result == nil {
			http.Error(w, "no such run", http.StatusNotFound)
			return
		}
		dirs = append(dirs, one.Dir)
	}
	judged, err := run.ReadRuns(dirs)
	if err != nil {
		answerPage(w, nil, err)
		return
	}
	var runs []reports.Run
	for i, j := range slices.Concat(judged...) {
		runs = append(runs, reports.Run{Result: &j.Result, Series: j.Series, Dir: (&url.URL{Path: "run/" + paths[i]}).EscapedPath()})
	}
	c := reports.Compare(runs, "")
	page, err := reports.CompareHTML(&c, runs)
	answerPage(w, page, err)
}

// told are the files of a run that are given away, with their types.
var told = map[string]string{
	"report.html": "text/html; charset=utf-8", "result.json": "application/json", "summary.md": "text/plain; charset=utf-8", "junit.xml": "text/xml; charset=utf-8",
}

// giveReport gives a file of a run. The run is looked up among those that are
// listed, the file among those that are told: no path of the asker's is opened.
func giveReport(w http.ResponseWriter, r *http.Request, index *run.Index) {
	path, name := r.PathValue("path"), ""
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		path, name = path[:i], path[i+1:]
	}
	kind, ok := told[name]
	one, found := index.Find(path)
	if !ok || !found {
		http.Error(w, "no such run, or no such file of it", http.StatusNotFound)
		return
	}
	b, err := os.ReadFile(filepath.Join(one.Dir, name))
	if err != nil {
		http.Error(w, "it has no "+name+": 'ackproof report "+one.Path+"' makes it", http.StatusNotFound)
		return
	}
	// A report may come from anywhere: it runs in a box, and sees no other one.
	w.Header().Set("Content-Security-Policy", "sandbox allow-scripts; frame-ancestors 'none'")
	w.Header().Set("Content-Type", kind)
	w.Write(b)
}
