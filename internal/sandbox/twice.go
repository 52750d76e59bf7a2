package sandbox

import (
	"bytes"
	"context"
	"io"
	"net/http"

	"github.com/go-chi/chi/v5"
)

// twice does what a request asks two times and sends both answers, one after the
// other: a proxy on the way that asked again when it need not have.
func twice(w http.ResponseWriter, r *http.Request, next http.Handler) {
	asked, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	var answers []byte
	for range 2 {
		c := newCapture()
		route := *chi.RouteContext(r.Context()) // a router goes on with what it has found so far
		again := r.Clone(context.WithValue(r.Context(), chi.RouteCtxKey, &route))
		again.Body = io.NopCloser(bytes.NewReader(asked))
		next.ServeHTTP(c, again)
		answers = append(answers, c.wire()...)
		if seen, ok := w.(*witness); ok {
			seen.status = c.status
		}
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer conn.Close()
	_, _ = conn.Write(answers) // the caller may be gone
}

// wire is the answer as it is sent.
func (c *capture) wire() []byte {
	resp := http.Response{
		StatusCode: c.status, ProtoMajor: 1, ProtoMinor: 1, Header: c.header,
		Body: io.NopCloser(bytes.NewReader(c.body)), ContentLength: int64(len(c.body)),
	}
	var out bytes.Buffer
	_ = resp.Write(&out) // a buffer takes everything
	return out.Bytes()
}
