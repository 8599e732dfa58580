"use strict"
document.documentElement.classList.add("scripted")

const byId = id => document.getElementById(id)
const count = n => n.toLocaleString("en-US", {maximumFractionDigits: n < 10 ? 2 : 0})
const duration = ms => {
  const [value, unit] = Math.abs(ms) < 1 ? [ms * 1000, "µs"] : Math.abs(ms) < 1000 ? [ms, "ms"] : [ms / 1000, "s"]
  return Number(value.toPrecision(3)).toLocaleString("en-US", {maximumSignificantDigits: 3}) + " " + unit
}

// The timeline: all its plots show rows [from, to) of the run.
function timeline() {
  const group = byId("timeline"), source = byId("data")
  if (!group || !source) return
  const data = JSON.parse(source.textContent), least = Math.min(5, data.rows)
  const plots = [...group.querySelectorAll(".plot")], texts = [...group.querySelectorAll("text[data-from]")]
  const crosses = plots.map(plot => mark(plot, "line", "cross")), picks = plots.map(plot => mark(plot, "rect", "pick"))
  const axis = group.querySelector(".axis")
  let from = 0, to = data.rows, at = -1, start = null

  function mark(plot, name, className) {
    const e = document.createElementNS("http://www.w3.org/2000/svg", name)
    e.setAttribute("class", className)
    e.setAttribute("visibility", "hidden")
    e.setAttribute("y1", 0)
    e.setAttribute("y2", 1000)
    e.setAttribute("height", 1000)
    plot.append(e)
    return e
  }

  function zoom(a, b) {
    const wide = Math.max(least, Math.min(data.rows, b - a))
    from = Math.max(0, Math.min(data.rows - wide, a))
    to = from + wide
    for (const plot of plots) {
      const box = plot.getAttribute("viewBox").split(" ")
      plot.setAttribute("viewBox", [from, box[1], wide, box[3]].join(" "))
    }
    for (const text of texts) {
      const a = Number(text.dataset.from), b = Number(text.dataset.to)
      text.setAttribute("visibility", b < from || a > to ? "hidden" : "visible")
      const left = (Math.max(a, from) - from) / wide * 100, right = (Math.min(b, to) - from) / wide * 100
      const end = left > 55
      text.setAttribute("text-anchor", end ? "end" : "start")
      text.setAttribute("dx", end ? -3 : 3)
      text.setAttribute("x", (end ? Math.max(left, right) : left) + "%")
    }
    const second = 1000 / data.width, raw = wide / second / 8, power = 10 ** Math.floor(Math.log10(raw))
    const step = power * [1, 2, 5, 10].find(k => power * k >= raw)
    axis.replaceChildren()
    for (let i = Math.ceil(from / second / step); i * step * second <= to; i++) {
      const text = document.createElementNS("http://www.w3.org/2000/svg", "text")
      const x = (i * step * second - from) / wide * 100
      text.setAttribute("class", x > 96 ? "x last" : "x")
      text.setAttribute("x", x + "%")
      text.setAttribute("y", 15)
      text.textContent = Number((i * step).toPrecision(10)) + " s"
      axis.append(text)
    }
    byId("zoom-all").disabled = wide >= data.rows
    byId("zoom-in").disabled = wide <= least
    byId("zoom-out").disabled = wide >= data.rows
    group.dataset.from = from
    group.dataset.to = to
  }

  function read(row) {
    at = Math.max(Math.floor(from), Math.min(Math.ceil(to) - 1, data.rows - 1, row))
    for (const line of crosses) {
      line.setAttribute("x1", at + 0.5)
      line.setAttribute("x2", at + 0.5)
      line.setAttribute("visibility", "visible")
    }
    const time = (at * data.width / 1000).toLocaleString("en-US", {maximumFractionDigits: 3}) + " s"
    byId("readout").textContent = [time, ...(data.sides ? ofSides(data, at) : ofRun(data, at))].join(" · ")
  }

  const rowAt = event => {
    const box = group.getBoundingClientRect()
    return from + (event.clientX - box.left) / box.width * (to - from)
  }
  const pick = (a, b) => picks.forEach(rect => {
    rect.setAttribute("visibility", a === null ? "hidden" : "visible")
    if (a === null) return
    rect.setAttribute("x", Math.min(a, b))
    rect.setAttribute("width", Math.abs(b - a))
  })
  const middle = factor => {
    const centre = at >= from && at < to ? at + 0.5 : (from + to) / 2, wide = (to - from) * factor
    zoom(centre - wide / 2, centre + wide / 2)
  }
  group.addEventListener("pointermove", e => {
    read(Math.floor(rowAt(e)))
    if (start !== null) pick(start, rowAt(e))
  })
  group.addEventListener("pointerdown", e => {
    if (e.button !== 0) return
    start = rowAt(e)
    e.preventDefault()
    group.focus({preventScroll: true})
  })
  window.addEventListener("pointerup", e => {
    if (start === null) return
    const end = rowAt(e)
    if (Math.abs(end - start) > (to - from) / 100) zoom(Math.min(start, end), Math.max(start, end))
    start = null
    pick(null)
  })
  window.addEventListener("pointercancel", () => { start = null; pick(null) })
  group.addEventListener("dblclick", () => zoom(0, data.rows))
  group.tabIndex = 0
  group.addEventListener("keydown", e => {
    const step = e.shiftKey ? 10 : 1, here = at < 0 ? Math.floor((from + to) / 2) : at
    const keys = {ArrowRight: () => read(here + step), ArrowLeft: () => read(here - step), "+": () => middle(0.5), "-": () => middle(2), Escape: () => zoom(0, data.rows)}
    if (!keys[e.key]) return
    keys[e.key]()
    e.preventDefault()
  })
  byId("zoom-in").addEventListener("click", () => middle(0.5))
  byId("zoom-out").addEventListener("click", () => middle(2))
  byId("zoom-all").addEventListener("click", () => zoom(0, data.rows))
}

// What one run shows in a row of its timeline.
function ofRun(data, at) {
  const value = name => data.columns[name] ? data.columns[name][at] : null
  const parts = []
  if (value("p50") !== null || value("offered") > 0) {
    let sent = count(value("offered")) + "/s offered, " + count(value("acknowledged")) + " acknowledged"
    for (const name of ["refused", "unknown"]) if (value(name) > 0) sent += ", " + count(value(name)) + " " + name
    parts.push(sent)
  }
  if (value("availability") !== null && value("availability") < 1) parts.push("availability " + count(value("availability") * 100) + " %")
  for (const [title, prefix] of [["response", ""], ["lag", "lag "]]) {
    const figures = ["min", "p50", "p90", "p99", "max"].filter(n => value(prefix + n) !== null).map(n => n + " " + duration(value(prefix + n)))
    if (figures.length) parts.push(title + " " + figures.join(", "))
  }
  if (value("backlog") !== null) parts.push("backlog " + count(value("backlog")))
  for (const name of ["invocations", "failed"]) if (value(name) > 0) parts.push(count(value(name)) + "/s " + name)
  for (const name of ["lost", "wrong", "deaths"]) if (value(name) > 0) parts.push(name + " " + count(value(name)))
  for (const f of data.faults) if (f.from <= at + 1 && f.to >= at) parts.push("fault: " + f.text)
  return parts
}

// What each side of a comparison shows at a moment; of several runs from the least to the most.
function ofSides(data, at) {
  const ms = (at + 0.5) * data.width
  return data.sides.map(side => {
    const figures = []
    for (const [name, show] of [["p99", duration], ["lag p99", duration], ["backlog", count]]) {
      const values = side.runs.map(run => run.columns[name][Math.floor(ms / run.width)] ?? null).filter(v => v !== null)
      const least = Math.min(...values), most = Math.max(...values)
      if (values.length) figures.push(name + " " + show(least) + (most > least ? " to " + show(most) : ""))
    }
    return side.name + ": " + (figures.join(", ") || "nothing")
  })
}

// The findings: sort, filter, and the life of one under its row.
function findings() {
  const table = byId("table")
  if (!table) return
  const body = table.tBodies[0], rows = [...body.rows], filter = byId("filter"), verdict = byId("verdict")
  const cell = (row, i) => row.cells[i] ? row.cells[i].textContent : ""
  const kind = [...table.tHead.rows[0].cells].findIndex(head => head.textContent === "verdict")
  const collator = new Intl.Collator("en", {numeric: true})
  const close = () => body.querySelectorAll("tr.told").forEach(row => {
    const life = row.querySelector(".life")
    if (life) byId("lives").append(life)
    row.remove()
  })
  // A finding whose life is not told here says which command tells it.
  const elsewhere = id => {
    const text = document.createElement("p"), command = document.createElement("code")
    command.textContent = "ackproof trace . " + id
    text.append("Its life is not on this page. In the folder of the run: ", command)
    return text
  }
  if (byId("verdict")?.dataset.kind === "findings") for (const row of rows) {
    const cell = row.querySelector("th bdi")
    if (cell.querySelector("a")) continue
    const button = document.createElement("button")
    button.type = "button"
    button.className = "plain"
    button.append(...cell.childNodes)
    cell.append(button)
  }
  function show() {
    close()
    const words = filter.value.toLowerCase().split(/\s+/)
    let n = 0
    for (const row of rows) {
      const text = row.textContent.toLowerCase()
      row.hidden = verdict.value !== "" && cell(row, kind) !== verdict.value || !words.every(w => text.includes(w))
      if (!row.hidden) n++
    }
    byId("matches").textContent = count(n) + " of " + count(rows.length)
  }
  filter.addEventListener("input", show)
  verdict.addEventListener("change", show)
  ;[...table.tHead.rows[0].cells].forEach((head, i) => {
    const button = document.createElement("button")
    button.type = "button"
    button.append(...head.childNodes)
    head.append(button)
    button.addEventListener("click", () => {
      close()
      const down = head.getAttribute("aria-sort") === "ascending"
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort")
      head.setAttribute("aria-sort", down ? "descending" : "ascending")
      rows.sort((a, b) => collator.compare(cell(a, i), cell(b, i)) * (down ? -1 : 1))
      body.append(...rows)
    })
  })
  body.addEventListener("click", e => {
    const link = e.target.closest("a[href^='#life-'], button.plain")
    if (!link) return
    e.preventDefault()
    const row = link.closest("tr"), open = row.nextElementSibling && row.nextElementSibling.classList.contains("told")
    close()
    rows.forEach(r => r.querySelector("th a, th button")?.setAttribute("aria-expanded", "false"))
    if (open) return
    const under = document.createElement("tr"), wide = document.createElement("td")
    under.className = "told"
    wide.colSpan = row.cells.length
    wide.append(link.hash ? byId(link.hash.slice(1)) : elsewhere(link.textContent))
    under.append(wide)
    row.after(under)
    link.setAttribute("aria-expanded", "true")
  })
  show()
}

timeline()
findings()
