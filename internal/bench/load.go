package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/wosool/wosool/internal/sandbox"
)

// Stand-ins in the body that load makes deliveries of: of the length of the real ones.
const (
	templateMerchant = 1_299_999_999
	templateOrder    = "0000000000"
)

// orderUpdated is a delivery of order.updated as the sandbox renders it.
func orderUpdated(ctx context.Context) ([]byte, error) {
	world := sandbox.New(sandbox.Config{
		PublicURL: "https://wosool.example", ClientID: "bench", ClientSecret: "bench", WebhookSecret: ingestSecret,
		ClerkKey: "sk_test_bench", Log: slog.New(slog.DiscardHandler),
	})
	defer world.Close()
	world.AddStore(sandbox.StoreSpec{Merchant: templateMerchant, Customers: 5, Products: 10, Orders: 10})
	made, err := world.CreateOrder(templateMerchant)
	if err != nil {
		return nil, fmt.Errorf("make an order: %w", err)
	}
	changed, err := world.ReviseOrder(templateMerchant, made.ID)
	if err != nil {
		return nil, fmt.Errorf("change an order: %w", err)
	}
	for _, e := range changed.Events {
		if e.Event == "order.updated" {
			return bytes.ReplaceAll(e.Body, strconv.AppendInt(nil, made.ID, 10), []byte(templateOrder)), ctx.Err()
		}
	}
	return nil, errors.New("a revised order tells nobody that it was updated")
}

// load makes deliveries, each of which is another.
type load struct {
	template []byte
	merchant int64 // the last that was used
	order    int64
}

// requests are n signed deliveries of as many merchants, none of which had any
// before, as the bytes of HTTP requests.
func (l *load) requests(n, merchants int) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		l.order++
		merchant := l.merchant + 1 + int64(i%merchants)
		body := bytes.ReplaceAll(l.template, strconv.AppendInt(nil, templateMerchant, 10), strconv.AppendInt(nil, merchant, 10))
		body = bytes.ReplaceAll(body, []byte(templateOrder), strconv.AppendInt(nil, 1_000_000_000+l.order, 10))
		mac := hmac.New(sha256.New, []byte(ingestSecret))
		mac.Write(body)
		all[i] = fmt.Appendf(nil, "POST /webhooks/salla HTTP/1.1\r\nHost: wosool.example\r\nUser-Agent: Salla\r\n"+
			"Content-Type: application/json\r\nX-Salla-Security-Strategy: Signature\r\nX-Salla-Signature: %s\r\nContent-Length: %d\r\n\r\n%s",
			hex.EncodeToString(mac.Sum(nil)), len(body), body)
	}
	l.merchant += int64(merchants)
	return all
}

// result is how one round went.
type result struct {
	rate float64   // requests a second
	took []float64 // ms, each
}

// send sends the requests over a number of connections, each as soon as the last
// one on its connection is answered. It does as little as it can: it shares the
// machine with who is measured.
func send(ctx context.Context, addr string, connections int, requests [][]byte) (result, error) {
	took := make([]float64, len(requests))
	var next atomic.Int64
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	for range connections {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return result{}, fmt.Errorf("connect: %w", err)
		}
		conns = append(conns, c)
	}
	begun := time.Now()
	var g errgroup.Group
	for _, c := range conns {
		g.Go(func() error {
			answers := bufio.NewReader(c)
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(requests) {
					return nil
				}
				asked := time.Now()
				if err := ask(c, answers, requests[i]); err != nil {
					return err
				}
				took[i] = float64(time.Since(asked).Microseconds()) / 1000
			}
			return ctx.Err()
		})
	}
	err := g.Wait()
	return result{rate: float64(len(requests)) / time.Since(begun).Seconds(), took: took}, err
}

// ask sends one request and reads its answer, which has to be 200.
func ask(c net.Conn, answers *bufio.Reader, request []byte) error {
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return fmt.Errorf("set a deadline: %w", err)
	}
	if _, err := c.Write(request); err != nil {
		return fmt.Errorf("send a delivery: %w", err)
	}
	answer, err := http.ReadResponse(answers, nil)
	if err != nil {
		return fmt.Errorf("read an answer: %w", err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return fmt.Errorf("read an answer: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("a delivery was answered %d", answer.StatusCode)
	}
	return nil
}
