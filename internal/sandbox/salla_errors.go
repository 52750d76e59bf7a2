package sandbox

import (
	"encoding/json"
	"net/http"
)

// sallaError answers Salla's error envelope. The code is a string or a number.
func sallaError(w http.ResponseWriter, status int, code any, message string) {
	sallaProblem(w, status, code, message, nil)
}

// sallaInvalid answers 422 with what is wrong, field by field.
func sallaInvalid(w http.ResponseWriter, fields map[string][]string) {
	sallaProblem(w, http.StatusUnprocessableEntity, "error", "alert.invalid_fields", fields)
}

// sallaNotFound answers 404 in either of its two forms, by the path.
func sallaNotFound(w http.ResponseWriter, r *http.Request) {
	if len(r.URL.Path)%2 == 0 {
		sallaError(w, http.StatusNotFound, http.StatusNotFound, "The content you are trying to access is no longer available")
		return
	}
	sallaError(w, http.StatusNotFound, "error", "المحتوى الذي تحاول الوصول اليه غير متوفر")
}

func sallaProblem(w http.ResponseWriter, status int, code any, message string, fields map[string][]string) {
	type detail struct {
		Code    any                 `json:"code"`
		Message string              `json:"message"`
		Fields  map[string][]string `json:"fields,omitempty"`
	}
	body, _ := json.Marshal(struct { // cannot fail: strings and numbers only
		Status  int    `json:"status"`
		Success bool   `json:"success"`
		Error   detail `json:"error"`
	}{status, false, detail{code, message, fields}})
	writeJSON(w, status, body)
}

// oauthError answers the bare body of an OAuth server.
func oauthError(w http.ResponseWriter, status int, code, description string) {
	body, _ := json.Marshal(struct { // cannot fail: strings only
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}{code, description})
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, status, body)
}
