package sandbox

import (
	"cmp"
	"encoding/json"
	"net/http"
)

type clerkProblem struct {
	Code        string         `json:"code"`
	Message     string         `json:"message"`
	LongMessage string         `json:"long_message"`
	Meta        map[string]any `json:"meta,omitempty"`
}

// clerkError answers Clerk's error body.
func clerkError(w http.ResponseWriter, status int, code, message, long string) {
	clerkAnswer(w, status, clerkProblem{Code: code, Message: message, LongMessage: cmp.Or(long, message)})
}

// clerkParam answers 422 for one parameter.
func clerkParam(w http.ResponseWriter, code, param, message, long string) {
	clerkAnswer(w, http.StatusUnprocessableEntity, clerkProblem{code, message, long, map[string]any{"param_name": param}})
}

// clerkTaken answers that a unique value is in use.
func clerkTaken(w http.ResponseWriter, param, what string) {
	text := "That " + what + " is taken. Please try another."
	clerkParam(w, "form_identifier_exists", param, text, text)
}

func clerkNotFound(w http.ResponseWriter, long string) {
	clerkError(w, http.StatusNotFound, "resource_not_found", "not found", long)
}

func clerkAnswer(w http.ResponseWriter, status int, p clerkProblem) {
	body, _ := json.Marshal(struct { // cannot fail: strings only
		Errors []clerkProblem `json:"errors"`
		Trace  string         `json:"clerk_trace_id"`
	}{[]clerkProblem{p}, traceID()})
	writeJSON(w, status, body)
}
