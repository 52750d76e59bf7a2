package telemetry

import (
	"log"
	"log/slog"
	"strings"
	"testing"
)

func TestStandardLogQuotesNothing(t *testing.T) { //nolint:paralleltest // the standard log is one
	output, flags := log.Writer(), log.Flags()
	t.Cleanup(func() {
		log.SetOutput(output)
		log.SetFlags(flags)
	})
	var said strings.Builder
	TakeStandardLog(slog.New(slog.NewTextHandler(&said, nil)))
	log.Printf("Unsolicited response received on idle HTTP channel starting with %q; err=%v", "HTTP/1.1 200 OK\r\n\r\n{\"mobile\":512345678}", nil)
	log.Printf("first line\nory_at_second")
	got := said.String()
	if !strings.Contains(got, "Unsolicited response received on idle HTTP channel") || !strings.Contains(got, "first line") {
		t.Errorf("it was not told: %s", got)
	}
	if strings.Contains(got, "512345678") || strings.Contains(got, "ory_at") {
		t.Errorf("it was quoted: %s", got)
	}
}
