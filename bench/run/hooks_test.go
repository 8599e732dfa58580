package run

// ExportInWindows is Export with windows of another size, so that a test can
// have several of them.
var ExportInWindows = exportInWindows
