package web

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
)

// apiBody bounds what an operator's request may carry.
const apiBody = 64 << 10

// readBody reads at most limit bytes, or gives 413.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	tooLarge := &problem{
		Status: http.StatusRequestEntityTooLarge, Code: codeTooLarge,
		Message: fmt.Sprintf("the body is larger than %d bytes", limit),
	}
	if r.ContentLength > limit {
		return nil, tooLarge
	}
	// What a sender claims to send is believed only so far.
	body := bytes.NewBuffer(make([]byte, 0, bytes.MinRead+max(0, min(r.ContentLength, 64<<10))))
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, tooLarge
	}
	if err != nil {
		return nil, malformed("", "the body ended before it was complete")
	}
	return body.Bytes(), nil
}

// decode reads a JSON object into v and refuses what it does not know. A body
// that is empty leaves v as it is: acts take an optional one.
func decode(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := readBody(w, r, apiBody)
	if err != nil {
		return err
	}
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return nil
	}
	if body[0] != '{' {
		return malformed("", "the body must be a JSON object")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return decodeProblem(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return malformed("", "the body must be one JSON object and nothing after it")
	}
	return nil
}

// decodeProblem says in one sentence what can't be read, and in which field.
func decodeProblem(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return malformed(wrong.Field, fmt.Sprintf("the field %q must be %s", wrong.Field, kindName(wrong.Type.Kind().String())))
	}
	if bad, ok := errors.AsType[*fieldError](err); ok {
		return malformed(bad.field, bad.Error())
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		name = strings.Trim(name, `"`)
		return malformed(name, fmt.Sprintf("there is no field %q here", name))
	}
	return malformed("", "the body is not valid JSON")
}

// fieldError is a value whose form is wrong; it names its field.
type fieldError struct{ field, want string }

func (e *fieldError) Error() string { return fmt.Sprintf("the field %q must be %s", e.field, e.want) }

// kindName is what a person calls a kind of Go value.
func kindName(kind string) string {
	switch {
	case strings.HasPrefix(kind, "int"), strings.HasPrefix(kind, "uint"):
		return "a whole number"
	case kind == "slice":
		return "a list"
	case kind == "bool":
		return "true or false"
	case kind == "struct", kind == "map":
		return "an object"
	}
	return "a " + kind
}

// pathID reads the id in the path; one that can't be is nobody's.
func pathID(r *http.Request, noun string) (uuid.UUID, error) {
	text := chi.URLParam(r, "id")
	id, err := uuid.Parse(text)
	if err != nil || len(text) != 36 {
		return uuid.Nil, fault.New(fault.NotFound, "there is no such %s", noun)
	}
	return id, nil
}

// The size of a page of a list.
const (
	defaultLimit = 50
	maxLimit     = 200
)

// paging reads limit and cursor. The cursor is the id of the last one seen.
func paging(r *http.Request) (limit int, before uuid.UUID, err error) {
	if limit, err = queryLimit(r); err != nil {
		return 0, uuid.Nil, err
	}
	if text := r.URL.Query().Get("cursor"); text != "" {
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			return 0, uuid.Nil, malformed("cursor", "the cursor is not one that a list gave")
		}
		if before, err = uuid.FromBytes(raw); err != nil {
			return 0, uuid.Nil, malformed("cursor", "the cursor is not one that a list gave")
		}
	}
	return limit, before, nil
}

// queryLimit reads how many rows a page is to have.
func queryLimit(r *http.Request) (int, error) {
	text := r.URL.Query().Get("limit")
	if text == "" {
		return defaultLimit, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, malformed("limit", "limit must be a whole number")
	}
	if n < 1 || n > maxLimit {
		return 0, invalid("limit", fmt.Sprintf("limit must be from 1 to %d", maxLimit))
	}
	return n, nil
}

// cursorAfter is the cursor that goes on after the last one shown.
func cursorAfter(last uuid.UUID) string { return base64.RawURLEncoding.EncodeToString(last[:]) }

// queryMerchant reads the merchant parameter; nil where it is not given.
func queryMerchant(r *http.Request) (*int64, error) {
	text := r.URL.Query().Get("merchant")
	if text == "" {
		return nil, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return nil, malformed("merchant", "merchant must be the number of a Salla store")
	}
	return &n, nil
}

// queryOneOf reads a parameter that takes one of a few values; "" where it is not given.
func queryOneOf(r *http.Request, name string, values ...string) (string, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return "", nil
	}
	for _, v := range values {
		if v == text {
			return text, nil
		}
	}
	return "", invalid(name, fmt.Sprintf("%s must be one of %s", name, strings.Join(values, ", ")))
}

// queryText reads a text parameter of bounded length that a database can hold.
func queryText(r *http.Request, name string) (string, error) {
	text := strings.TrimSpace(r.URL.Query().Get(name))
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return "", malformed(name, fmt.Sprintf("%s must be UTF-8 without null characters", name))
	}
	if len(text) > 200 {
		return "", invalid(name, fmt.Sprintf("%s must not be longer than 200 bytes", name))
	}
	return text, nil
}

// names gives the texts of a list of named values.
func names[T ~string](values []T) []string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = string(v)
	}
	return texts
}
