package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// apiClient reads the operator API.
type apiClient struct {
	base, key string
	http      *http.Client
}

func newAPIClient(base, key string) *apiClient {
	return &apiClient{base: base, key: key, http: &http.Client{Timeout: 10 * time.Second}}
}

// tenantView is what the demo reads of a tenant.
type tenantView struct {
	ID        string     `json:"id"`
	Merchant  *int64     `json:"merchant"`
	Status    string     `json:"status"`
	CreatedAt time.Time  `json:"created_at"`
	ReadyAt   *time.Time `json:"ready_at"`
	Database  *struct {
		Server string `json:"server"`
		Name   string `json:"name"`
	} `json:"database"`
	Steps []struct {
		Name   string  `json:"name"`
		Status string  `json:"status"`
		Error  *string `json:"error"`
	} `json:"steps"`
	Imports []runView `json:"imports"`
}

type runView struct {
	Kind    string       `json:"kind"`
	Status  string       `json:"status"`
	Reason  *string      `json:"reason"`
	Streams []streamView `json:"streams"`
}

type streamView struct {
	Resource    string `json:"resource"`
	Status      string `json:"status"`
	Imported    int    `json:"imported"`
	Unchanged   int    `json:"unchanged"`
	Rejected    int    `json:"rejected"`
	SourceTotal *int   `json:"source_total"`
}

// statsView is what the demo reads of the statistics.
type statsView struct {
	Tenants map[string]int `json:"tenants"`
	Events  map[string]int `json:"events"`
	Lanes   []struct {
		Lane    string `json:"lane"`
		Pending int    `json:"pending"`
		Active  int    `json:"active"`
	} `json:"lanes"`
}

func (s statsView) String() string {
	pending, active := 0, 0
	for _, l := range s.Lanes {
		pending, active = pending+l.Pending, active+l.Active
	}
	return fmt.Sprintf("%s  events: %d applied, %d waiting, %d failed · tasks: %d pending, %d active",
		time.Now().Format(time.TimeOnly), s.Events["applied"], s.Events["received"]+s.Events["waiting"], s.Events["failed"], pending, active)
}

func (a *apiClient) get(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.base+"/api/admin/v1"+path, nil)
	if err != nil {
		return fmt.Errorf("ask the api: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+a.key)
	resp, err := a.http.Do(req)
	if err != nil {
		return fmt.Errorf("ask the api: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err != nil {
		return fmt.Errorf("ask the api: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("ask the api: GET %s: %s: %s", path, resp.Status, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("ask the api: GET %s: %w", path, err)
	}
	return nil
}

func (a *apiClient) stats(ctx context.Context) (s statsView, err error) {
	return s, a.get(ctx, "/stats", &s)
}

// tenant returns the tenant of a merchant, whole; ok is false while there is none.
func (a *apiClient) tenant(ctx context.Context, merchant int64) (t tenantView, ok bool, err error) {
	var list struct {
		Data []tenantView `json:"data"`
	}
	if err := a.get(ctx, fmt.Sprintf("/tenants?merchant=%d", merchant), &list); err != nil || len(list.Data) == 0 {
		return t, false, err
	}
	return t, true, a.get(ctx, "/tenants/"+list.Data[0].ID, &t)
}
