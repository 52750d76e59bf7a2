package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/imports"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/sandbox"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
)

const (
	importMerchant = 1_299_999_998
	importPassword = "bench-tenant-password"
)

// renderedPages are the answers of a shop to the requests for its lists.
type renderedPages struct {
	customers, orders [][]byte
	details           map[string][]byte // and those for its orders' details and items, by address
	bare              [][]bareRow       // what the orders come to, once that is known
	people            []byte            // the customers before that, as COPY has them
	digests           map[int]string    // of the first so many orders as ours leaves them
}

// orderSize is the mean size of an order, in bytes.
func (p *renderedPages) orderSize() int {
	n := 0
	for _, page := range p.orders {
		n += len(page)
	}
	return n / (len(p.orders) * importPerPage)
}

// renderPages has the sandbox render the lists of a shop.
func renderPages(ctx context.Context) (*renderedPages, error) {
	token := make(chan string, 1)
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var event struct {
			Data struct {
				AccessToken string `json:"access_token"`
			}
		}
		if json.NewDecoder(r.Body).Decode(&event) == nil && event.Data.AccessToken != "" {
			token <- event.Data.AccessToken
		}
	}))
	defer app.Close()
	box := sandbox.New(sandbox.Config{
		Seed: 1, PublicURL: "https://wosool.example", DeliverTo: app.URL, ClientID: "bench", ClientSecret: "bench",
		WebhookSecret: "bench", Log: slog.New(slog.DiscardHandler),
	})
	defer box.Close()
	box.AddStore(sandbox.StoreSpec{
		Merchant: importMerchant, Customers: importCustomers, Products: 100, Orders: importPages * importPerPage, Limit: 1e6,
	})
	if err := box.Authorize(ctx, importMerchant); err != nil {
		return nil, fmt.Errorf("authorize the app: %w", err)
	}
	var bearer string
	select {
	case bearer = <-token:
	case <-time.After(10 * time.Second):
		return nil, errors.New("the sandbox delivers no token")
	}
	get := func(path string) ([]byte, error) {
		req := httptest.NewRequestWithContext(ctx, http.MethodGet, box.SallaURL("")+path, nil)
		req.Header.Set("Authorization", "Bearer "+bearer)
		answer := httptest.NewRecorder()
		box.Handler().ServeHTTP(answer, req)
		if answer.Code != http.StatusOK {
			return nil, fmt.Errorf("the sandbox answers %d to %s", answer.Code, path)
		}
		return answer.Body.Bytes(), nil
	}
	list := func(path string, pages int) (all [][]byte, err error) {
		for n := range pages {
			page, err := get(fmt.Sprintf("%s?per_page=%d&page=%d", path, importPerPage, n+1))
			if err != nil {
				return nil, err
			}
			all = append(all, page)
		}
		return all, nil
	}
	customers, err := list("/customers", importCustomers/importPerPage)
	if err != nil {
		return nil, err
	}
	orders, err := list("/orders", importPages)
	if err != nil {
		return nil, err
	}
	details := map[string][]byte{}
	for _, id := range box.SourceIDs(importMerchant, tenantdb.Orders) {
		for _, path := range []string{fmt.Sprintf("/orders/%d?format=light", id), fmt.Sprintf("/orders/items?order_id=%d&page=1&per_page=%d", id, salla.MaxPerPage)} {
			if details[path], err = get(path); err != nil {
				return nil, err
			}
		}
	}
	return &renderedPages{customers: customers, orders: orders, details: details}, nil
}

// rows gives the rows that the orders come to, by landing them once.
func (p *renderedPages) rows(ctx context.Context) (_ [][]bareRow, err error) {
	if p.bare != nil {
		return p.bare, nil
	}
	shop, drop, err := newShop(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, drop()) }()
	if _, _, err := land(ctx, shop, tenantdb.Customers, p.customers); err != nil {
		return nil, err
	}
	if err := p.savePeople(ctx, shop); err != nil {
		return nil, err
	}
	if _, _, err := land(ctx, shop, tenantdb.Orders, p.orders); err != nil {
		return nil, err
	}
	if p.bare, err = readRows(ctx, shop); err != nil {
		return nil, err
	}
	p.digests = map[int]string{}
	for _, n := range []int{importSingles, len(p.bare[0])} {
		if p.digests[n], err = shop.digest(ctx, p.bare[0][:n]); err != nil {
			return nil, err
		}
	}
	return p.bare, nil
}

// shop is a tenant's database and the ways into it.
type shop struct {
	db   *tenantdb.DB // as a worker has it
	conn *pgx.Conn    // the tenant's role, for the baselines
}

// newShop makes a tenant's database as provisioning does; drop removes it.
func newShop(ctx context.Context) (_ *shop, drop func() error, err error) {
	address := os.Getenv("DATABASE_URL")
	servers, err := tenantdb.NewServers(ctx, []string{address}, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, nil, err
	}
	server, name := servers.Names()[0], tenantdb.Name(uuid.New())
	if _, err := servers.EnsureTemplate(ctx, server); err != nil {
		return nil, nil, err
	}
	if err := servers.Create(ctx, server, name, name, importPassword); err != nil {
		return nil, nil, err
	}
	pools := tenantdb.NewPools(servers, importAhead, slog.New(slog.DiscardHandler))
	s := &shop{}
	drop = func() error {
		pools.Close()
		if s.conn != nil {
			_ = s.conn.Close(context.WithoutCancel(ctx))
		}
		return servers.Drop(context.WithoutCancel(ctx), server, name, name)
	}
	s.db, err = pools.Open(ctx, tenantdb.Target{Server: server, Database: name, Role: name, Password: importPassword})
	if err != nil {
		return nil, nil, errors.Join(err, drop())
	}
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, nil, errors.Join(errors.New("DATABASE_URL is not a PostgreSQL URL"), drop())
	}
	config.User, config.Password, config.Database = name, importPassword, name
	// As ours has it.
	config.RuntimeParams["random_page_cost"], config.RuntimeParams["jit"] = "1.1", "off"
	config.RuntimeParams["enable_seqscan"] = "off"
	if s.conn, err = pgx.ConnectConfig(ctx, config); err != nil {
		return nil, nil, errors.Join(errors.New("connect to a tenant's database: it does not answer"), drop())
	}
	_, err = s.conn.Exec(ctx, `
		SELECT set_config(name, 'lz4', false)
		FROM pg_settings
		WHERE name = 'default_toast_compression' AND 'lz4' = ANY(enumvals)`)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("set up a connection: %w", err), drop())
	}
	return s, drop, nil
}

// runTime is how long one import of orders took.
type runTime struct{ list, details time.Duration }

func (t runTime) whole() time.Duration { return t.list + t.details }

// landTwice imports a shop's orders in two runs, their list and then their details.
func landTwice(ctx context.Context, s *shop, pages *renderedPages) (first, again runTime, err error) {
	const orders = importPages * importPerPage
	if _, _, err := land(ctx, s, tenantdb.Customers, pages.customers); err != nil {
		return first, again, err
	}
	var list, details [2]tenantdb.Tally
	for i, took := range []*runTime{&first, &again} {
		if took.list, list[i], err = land(ctx, s, tenantdb.Orders, pages.orders); err != nil {
			return first, again, err
		}
		if i == 0 {
			if err := pages.same(ctx, s, pages.bare[0]); err != nil {
				return first, again, err
			}
		}
		if took.details, details[i], err = landDetails(ctx, s, pages.details); err != nil {
			return first, again, err
		}
	}
	switch came := list[0]; {
	case came.Imported+came.Rejected != orders || came.Rejected > orders/100:
		err = fmt.Errorf("%d orders came to %+v", orders, came)
	case list[1].Imported != 0 || list[1].Unchanged != came.Imported:
		err = fmt.Errorf("the same orders came to %+v, and then to %+v", came, list[1])
	case details[0].Imported != came.Imported || details[1] != tenantdb.Tally{}:
		err = fmt.Errorf("the details of %d orders came to %+v, and then to %+v", came.Imported, details[0], details[1])
	}
	return first, again, err
}

// landDetails lands the details that are due, page after page as a worker does, and
// tells how long it took.
func landDetails(ctx context.Context, s *shop, answers map[string][]byte) (took time.Duration, came tenantdb.Tally, _ error) {
	importer := &imports.Importer{Log: slog.New(slog.DiscardHandler), Access: fromMemory(answers)}
	merchant := int64(importMerchant)
	w := store.PageWork{Merchant: &merchant}
	ref := tenantdb.PageRef{Stream: uuid.New(), Run: uuid.New(), Resource: tenantdb.OrderDetails, Pass: 1, PerPage: importDetails}
	begun := time.Now()
	for next := true; next; {
		ref.Seq++
		opened, err := s.db.OpenPage(ctx, ref)
		if err != nil {
			return 0, came, err
		}
		w.Seq, w.Stream.RunID, w.Now = ref.Seq, ref.Run, time.Now()
		r, err := importer.LandDetails(ctx, s.db, opened, w)
		if err != nil {
			return 0, came, err
		}
		came.Imported, came.Unchanged, came.Rejected = came.Imported+r.Imported, came.Unchanged+r.Unchanged, came.Rejected+r.Rejected
		next, ref.PageOrCursor = r.HasNext, r.NextCursor
	}
	return time.Since(begun), came, nil
}

// land lands the pages of a list in a run of their own, and tells how long it took.
func land(ctx context.Context, s *shop, resource string, pages [][]byte) (took time.Duration, came tenantdb.Tally, _ error) {
	importer := &imports.Importer{Log: slog.New(slog.DiscardHandler)}
	stream, run := uuid.New(), uuid.New()
	results := make([]tenantdb.PageResult, len(pages))
	begun := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(importAhead)
	for i, answer := range pages {
		g.Go(func() error {
			opened, err := s.db.OpenPage(ctx, tenantdb.PageRef{
				Stream: stream, Run: run, Seq: i + 1, Resource: resource, Pass: 1, PerPage: importPerPage,
			})
			if err != nil {
				return err
			}
			client := &salla.Client{BaseURL: "http://salla.example", HTTP: &http.Client{Transport: memory(answer)}}
			page, err := client.Page(ctx, salla.Resource(resource), salla.PageQuery{Number: i + 1, PerPage: importPerPage})
			if err != nil {
				return fmt.Errorf("read a page: %w", err)
			}
			results[i], err = importer.Land(ctx, s.db, opened, page, page.RequestedAt)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return 0, came, err
	}
	took = time.Since(begun)
	for _, r := range results {
		came.Imported, came.Unchanged, came.Rejected = came.Imported+r.Imported, came.Unchanged+r.Unchanged, came.Rejected+r.Rejected
	}
	return took, came, nil
}

// memory answers every request with the same bytes.
type memory []byte

func (m memory) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Request: r, ContentLength: int64(len(m)), Body: io.NopCloser(bytes.NewReader(m)),
		Header: http.Header{"Content-Type": {"application/json"}},
	}, nil
}

// fromMemory is a Salla whose answers are known, by address.
type fromMemory map[string][]byte

// Do implements imports.Access.
func (m fromMemory) Do(
	ctx context.Context, _ uuid.UUID, _ int64, _ budget.Class, fn func(context.Context, *salla.Client) error,
) error {
	return fn(ctx, &salla.Client{BaseURL: "http://salla.example", HTTP: &http.Client{Transport: m}})
}

func (m fromMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, ok := m[r.URL.RequestURI()]
	if !ok {
		return nil, fmt.Errorf("no answer is known to %s", r.URL.RequestURI())
	}
	return memory(answer).RoundTrip(r)
}
