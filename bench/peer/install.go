package peer

import (
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// CacheEnv names the environment variable with the folder that peers are
// installed into, by default ackproof-peers in the user's cache folder.
const CacheEnv = "ACKPROOF_PEERS"

// locks has a folder for each peer: what is installed, each file with its sum.
//
//go:embed locks
var locks embed.FS

// Install puts a peer into the cache folder unless it is there, and returns its
// folder. It may be called by many processes at once: each installs beside, and
// the first to be done moves its folder to its place in one step. The error says
// what is missing and what to do.
func Install(name string) (string, error) {
	if name == Local {
		return findLocal()
	}
	sub, err := fs.Sub(locks, "locks/"+name)
	if err != nil {
		return "", err
	}
	sum, err := lockSum(sub)
	if err != nil {
		return "", fmt.Errorf("there is no peer %q; the peers are %s, %s, %s and %s", name, Dynoxide, Dynalite, Moto, Local)
	}
	if err := canInstall(name); err != nil {
		return "", err
	}
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, name+"-"+sum)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	work, err := os.MkdirTemp(cache, "installing-"+name+"-")
	if err != nil {
		return "", fmt.Errorf("install %s: %w", name, err)
	}
	defer os.RemoveAll(work)
	if err := os.CopyFS(work, sub); err != nil {
		return "", fmt.Errorf("install %s: %w", name, err)
	}
	for _, args := range steps(name) {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = work
		cmd.SysProcAttr = sysProcAttr()
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("install %s: %s: %w\n%s\nit takes the package registry; %s may name a folder where it is installed already", name, strings.Join(args, " "), err, tail(out), CacheEnv)
		}
	}
	if err := os.Rename(work, dir); err != nil {
		if _, there := os.Stat(dir); there != nil { // another process was not first either
			return "", fmt.Errorf("install %s: %w", name, err)
		}
	}
	return dir, nil
}

// steps are the commands that install a peer into the folder they run in. No
// package runs code of its own while it is installed.
func steps(name string) [][]string {
	if name == Moto || name == MotoAWS {
		return [][]string{
			{"python3", "-m", "venv", "."},
			// The venv is moved afterwards, which its interpreter bears; nothing else of it is used.
			{"bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--require-hashes", "--only-binary", ":all:", "-r", "requirements.txt"},
		}
	}
	return [][]string{{"npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"}}
}

// canInstall says what the machine lacks.
func canInstall(name string) error {
	needs := map[string]string{Dynoxide: "npm", Dynalite: "npm", Axe: "npm", Offline: "npm", Velocity: "npm", Moto: "python3", MotoAWS: "python3"}[name]
	if name == Dynoxide && (runtime.GOOS != "linux" || runtime.GOARCH != "amd64") {
		return fmt.Errorf("install %s: it is there for linux on amd64 alone, not for %s on %s", name, runtime.GOOS, runtime.GOARCH)
	}
	if _, err := exec.LookPath(needs); err != nil {
		return fmt.Errorf("install %s: %s is not on the PATH; install Node.js 20 or later with npm, and Python 3.11 or later with venv", name, needs)
	}
	return nil
}

func cacheDir() (string, error) {
	dir := os.Getenv(CacheEnv)
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("install peers: %w; set %s to a folder", err, CacheEnv)
		}
		dir = filepath.Join(cache, "ackproof-peers")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("install peers: %w", err)
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// lockSum is a short sum over the files of a lock; there must be some.
func lockSum(lock fs.FS) (string, error) {
	files, err := fs.Glob(lock, "*")
	if err != nil || len(files) == 0 {
		return "", errors.New("no lock")
	}
	h := sha256.New()
	for _, f := range files {
		text, err := fs.ReadFile(lock, f)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %d\n%s", f, len(text), text)
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:6]), nil
}

func findLocal() (string, error) {
	dir := os.Getenv(LocalEnv)
	if _, err := os.Stat(filepath.Join(dir, "DynamoDBLocal.jar")); dir == "" || err != nil {
		return "", fmt.Errorf("%s is %q: it must name the folder of your own DynamoDB Local, with DynamoDBLocal.jar in it", LocalEnv, dir)
	}
	if _, err := exec.LookPath("java"); err != nil {
		return "", fmt.Errorf("DynamoDB Local: java is not on the PATH; install version 17 or later")
	}
	return dir, nil
}
