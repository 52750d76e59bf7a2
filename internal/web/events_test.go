package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestEvents(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	doc := openAPI(t)
	const (
		authorize = `{"event":"app.store.authorize","merchant":7,"created_at":"2026-01-31 10:00:00",` +
			`"data":{"access_token":"secret-access","refresh_token":"secret-refresh","expires":1}}`
		broken = `{"event":"order.created","access_token":"secret-access-of-twenty-and-more"`
	)
	for _, body := range []string{delivery, authorize, broken} {
		if a := x.send(http.MethodPost, "/webhooks/salla", body, signed(body)); a.Code != http.StatusOK {
			t.Fatalf("status %d: %s", a.Code, a.Body)
		}
	}
	hook := `{"type":"user.created","data":{"id":"user_1"}}`
	x.send(http.MethodPost, "/webhooks/clerk", hook, svix(hook, "msg_1"))

	list := x.api(http.StatusOK, http.MethodGet, "/events", "")
	doc.check("EventList", list.Body)
	var p eventPage
	x.read(list, &p)
	if len(p.Data) != 4 || p.Next != nil || p.Data[0].Source != "clerk" || p.Data[3].Event != "order.created" {
		t.Fatalf("events = %s, want four, newest first", list.Body)
	}
	for _, e := range p.Data {
		a := x.api(http.StatusOK, http.MethodGet, "/events/"+e.ID.String(), "")
		doc.check("Event", a.Body)
		if strings.Contains(string(a.Body), "secret-") {
			t.Errorf("the answer has a secret: %s", a.Body)
		}
	}
	var text struct {
		Status  string `json:"status"`
		Payload string `json:"payload"`
	}
	x.read(x.api(http.StatusOK, http.MethodGet, "/events/"+p.Data[1].ID.String(), ""), &text)
	if text.Status != "failed" || !strings.Contains(text.Payload, "order.created") {
		t.Errorf("what does not parse is %+v, want it as text", text)
	}
	var doneByHand struct {
		Headers map[string]string `json:"headers"`
		Payload struct {
			Data map[string]any `json:"data"`
		} `json:"payload"`
	}
	x.read(x.api(http.StatusOK, http.MethodGet, "/events/"+p.Data[2].ID.String(), ""), &doneByHand)
	if doneByHand.Payload.Data["access_token"] != "[redacted]" {
		t.Errorf("payload = %v", doneByHand.Payload)
	}

	x.eventPages(p)
	for query, want := range map[string]int{
		"merchant=7": 1, "merchant=8": 0, "source=clerk": 1, "event=order.created": 1, "status=failed": 1,
		"status=received&source=salla": 2, "q=app.": 1, "q=" + p.Data[0].ID.String(): 1,
		"from=2020-01-01T00:00:00Z": 4, "to=2020-01-01T00:00:00Z": 0, "merchant=7&text=REDACTED": 1,
		"text=redacted&from=" + time.Now().Add(-time.Hour).UTC().Format(time.RFC3339): 2,
	} {
		var found eventPage
		a := x.api(http.StatusOK, http.MethodGet, "/events?"+query, "")
		x.read(a, &found)
		if len(found.Data) != want {
			t.Errorf("%s: %d events, want %d: %s", query, len(found.Data), want, a.Body)
		}
	}
	for query, status := range map[string]int{
		"merchant=x": 400, "cursor=x": 400, "status=great": 422, "source=stripe": 422, "limit=500": 422,
		"from=today": 400, "text=x": 422, "text=x&from=2020-01-01T00:00:00Z": 422,
	} {
		x.api(status, http.MethodGet, "/events?"+query, "")
	}
}

// eventPages walks the list one by one and must see the same.
func (x *site) eventPages(all eventPage) {
	x.t.Helper()
	path := "/events?limit=1"
	for i, want := range all.Data {
		var p eventPage
		x.read(x.api(http.StatusOK, http.MethodGet, path, ""), &p)
		if len(p.Data) != 1 || p.Data[0].ID != want.ID || (p.Next == nil) != (i == len(all.Data)-1) {
			x.t.Fatalf("page %d = %+v, want %s", i, p, want.ID)
		}
		if p.Next != nil {
			path = "/events?limit=1&cursor=" + *p.Next
		}
	}
}

func TestReplayEvent(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	var rec struct {
		ID uuid.UUID `json:"id"`
	}
	x.read(x.send(http.MethodPost, "/webhooks/salla", delivery, signed(delivery)), &rec)
	path := "/events/" + rec.ID.String() + "/replay"

	if a := x.api(http.StatusConflict, http.MethodPost, path, ""); !strings.Contains(string(a.Body), "received") {
		t.Errorf("%s, want the status named", a.Body)
	}
	x.exec(`UPDATE events SET status = 'failed', state = 'failed', error = 'no', last_error = NULL WHERE id = $1`, rec.ID)
	a := x.api(http.StatusAccepted, http.MethodPost, path, "{}")

	openAPI(t).check("Event", a.Body)
	var e EventDetail
	x.read(a, &e)
	if e.Status != "received" || e.Error != nil {
		t.Errorf("replayed event is %s, error %v", e.Status, e.Error)
	}
	if got := x.bell.kinds(); len(got) != 2 || got[1] != "event:apply" {
		t.Errorf("rang for %v", got)
	}
	if got := one[string](x, `SELECT act || ' ' || actor FROM audit`); got != "event.replay api key" {
		t.Errorf("audit = %s", got)
	}
	x.api(http.StatusNotFound, http.MethodPost, "/events/"+uuid.NewString()+"/replay", "")
	x.api(http.StatusNotFound, http.MethodGet, "/events/"+uuid.NewString(), "")
	x.api(http.StatusNotFound, http.MethodGet, "/events/7", "")
}

func TestEventWhosePayloadIsGone(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	var rec struct {
		ID string `json:"id"`
	}
	x.read(x.send(http.MethodPost, "/webhooks/salla", delivery, signed(delivery)), &rec)
	x.exec(`DELETE FROM event_payloads`)

	a := x.api(http.StatusOK, http.MethodGet, "/events/"+rec.ID, "")

	if !strings.Contains(string(a.Body), `"payload":null`) {
		t.Errorf("%s, want the payload null", a.Body)
	}
}
