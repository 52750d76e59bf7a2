package web

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/hibiken/asynq"
	"github.com/hibiken/asynqmon"

	"github.com/wosool/wosool/internal/fault"
)

// queuesRoot is where Asynqmon lives. It is mounted there unstripped: its pages
// name their scripts and calls by this path.
const queuesRoot = "/admin/queues"

// Asynqmon is Asynq's own view of the queues, made fit for the console: it runs
// under a strict content policy, asks nobody but this server, shows no token and
// nobody's address, and its acts are audited.
type Asynqmon struct {
	ui   *asynqmon.HTTPHandler
	page queuesPage
}

// NewAsynqmon returns Asynqmon on the Redis of tasks.ConnOpt. It does not wait
// for Redis. The caller closes it.
func NewAsynqmon(redis asynq.RedisConnOpt) *Asynqmon {
	a := &Asynqmon{ui: asynqmon.New(asynqmon.Options{
		RootPath:         queuesRoot,
		RedisConnOpt:     redis,
		PayloadFormatter: asynqmon.PayloadFormatterFunc(showPayload),
		ResultFormatter:  asynqmon.ResultFormatterFunc(showPayload),
	})}
	a.page = newQueuesPage(a.ask(context.Background(), queuesRoot).Bytes())
	return a
}

// Close closes its connections to Redis.
func (a *Asynqmon) Close() error { return a.ui.Close() }

// asynqmonRoutes mounts Asynqmon. r refuses acts that other sites' pages send,
// and lets only operators pass.
func (s *Server) asynqmonRoutes(r chi.Router) {
	h := middleware.Compress(5, "application/javascript", "application/json", "image/svg+xml")(s.handle(s.queues))
	r.Handle("/queues", h)
	r.Handle("/queues/*", h)
}

// queues answers everything below /admin/queues: a page of Asynqmon's, a call
// that such a page makes, or one of its files.
func (s *Server) queues(w http.ResponseWriter, r *http.Request) error {
	if s.Asynqmon == nil {
		return fault.New(fault.Unavailable, "this process was started without Asynqmon: the queues are at /admin/lanes")
	}
	inside := strings.TrimPrefix(r.URL.Path, queuesRoot)
	switch {
	case strings.HasPrefix(inside, "/api/"):
		s.queuesCall(w, r, strings.TrimPrefix(inside, "/api"))
		return nil
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		return &problem{
			Status: http.StatusMethodNotAllowed, Code: codeMethod, Message: "this address does not take this method",
		}
	case isQueuesPage(inside):
		if err := s.redisAnswers(r.Context()); err != nil {
			return err
		}
		return s.Asynqmon.page.write(w, r, s.console.files.page().Fonts[0])
	}
	return s.Asynqmon.file(w, r, inside)
}

// queuesPages are the addresses that Asynqmon's own router draws.
var queuesPages = regexp.MustCompile(`^(/?|/settings|/servers|/schedulers|/redis|/queues/[^/]+(/tasks/[^/]+)?)$`)

func isQueuesPage(inside string) bool { return queuesPages.MatchString(inside) }

// file answers one of the files that Asynqmon embeds. Source maps, four fifths
// of them, are nobody's business.
func (a *Asynqmon) file(w http.ResponseWriter, r *http.Request, inside string) error {
	missing := fault.New(fault.NotFound, "there is nothing at this address")
	if path.Ext(inside) == ".map" || path.Clean(inside) != inside {
		return missing
	}
	got := a.ask(r.Context(), r.URL.Path)
	// It answers its page for whatever it does not have.
	if got.status != http.StatusOK || bytes.HasPrefix(got.Bytes(), []byte("<!doctype html>")) {
		return missing
	}
	h := w.Header()
	h.Set("Content-Type", contentTypeOf(inside, got.header.Get("Content-Type")))
	if strings.HasPrefix(inside, "/static/") { // its name has a hash of what is in it
		h.Set("Cache-Control", "private, max-age=31536000, immutable")
	}
	_, _ = w.Write(got.Bytes()) // the browser has gone: nothing to answer to
	return nil
}

// contentTypeOf corrects what is told by sniffing, which browsers are told not
// to second-guess.
func contentTypeOf(name, sniffed string) string {
	switch path.Ext(name) {
	case ".svg":
		return "image/svg+xml"
	case ".json":
		return "application/json"
	}
	return sniffed
}

// redisAnswers says in words, and soon, that Redis does not.
func (s *Server) redisAnswers(ctx context.Context) error {
	if s.PingRedis == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	err := s.PingRedis(ctx)
	if err == nil {
		return nil
	}
	s.Log.WarnContext(ctx, "redis does not answer", "error", err)
	return errors.Join(fault.New(fault.Unavailable, redisIsDown), err)
}

const redisIsDown = "Redis does not answer, so there are no queues to show. Nothing is lost: all work is in PostgreSQL, " +
	"and workers queue it again by themselves when Redis is back. See that Redis runs, then load this page again"

// ask has Asynqmon answer a GET, and keeps the answer.
func (a *Asynqmon) ask(ctx context.Context, address string) *kept {
	k := &kept{header: http.Header{}, status: http.StatusOK}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		k.status = http.StatusNotFound
		return k
	}
	a.ui.ServeHTTP(k, r)
	return k
}

// kept is an answer that is looked at before it is sent.
type kept struct {
	bytes.Buffer
	header http.Header
	status int
}

// Header implements http.ResponseWriter.
func (k *kept) Header() http.Header { return k.header }

// WriteHeader implements http.ResponseWriter.
func (k *kept) WriteHeader(status int) { k.status = status }

// queuesTimeout bounds one call: a page of tasks is some dozens of commands.
const queuesTimeout = 20 * time.Second
