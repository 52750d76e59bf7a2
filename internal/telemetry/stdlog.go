package telemetry

import (
	"log"
	"log/slog"
	"strings"
)

// TakeStandardLog has what libraries write to Go's standard log written to ours,
// each as one line without what it quotes: net/http quotes an answer that nobody
// asked for, with whatever of merchants and tokens is in it.
func TakeStandardLog(to *slog.Logger) {
	log.SetFlags(0)
	log.SetOutput(standardLog{to})
}

type standardLog struct{ to *slog.Logger }

// mostOfLine bounds what is kept of a line.
const mostOfLine = 200

// Write implements io.Writer for one line of the standard log.
func (s standardLog) Write(p []byte) (int, error) {
	line, _, _ := strings.Cut(string(p), "\n")
	line, _, _ = strings.Cut(line, `"`)
	runes := []rune(strings.TrimSpace(line))
	s.to.Warn("a library says", "text", string(runes[:min(len(runes), mostOfLine)]))
	return len(p), nil
}
