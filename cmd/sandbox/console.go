package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"
)

// console is how the demo's operator gets into the console.
type console struct{ base, email, password string }

func (c console) String() string {
	return fmt.Sprintf("console: %s/admin  sign in with %s and %s", c.base, c.email, c.password)
}

// check signs in as a browser would and looks at the console and at Asynqmon.
func (c console) check(ctx context.Context) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return fmt.Errorf("check the console: %w", err)
	}
	browser := &http.Client{Jar: jar, Timeout: 10 * time.Second}
	form := url.Values{"email": {c.email}, "password": {c.password}}
	if err := look(ctx, browser, http.MethodPost, c.base+"/admin/sign-in", form, "<h1"); err != nil {
		return err
	}
	for _, page := range []struct{ path, shows string }{
		{"/admin", "<h1"},
		{"/admin/tenants", "<table"},
		{"/admin/queues", `id="root"`},
		{"/admin/queues/api/queues", `"queues"`},
	} {
		if err := look(ctx, browser, http.MethodGet, c.base+page.path, nil, page.shows); err != nil {
			return err
		}
	}
	return nil
}

// look fails unless the page, after redirects, answers 200 and shows something.
func look(ctx context.Context, browser *http.Client, method, address string, form url.Values, shows string) error {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return fmt.Errorf("look at %s: %w", address, err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	resp, err := browser.Do(req)
	if err != nil {
		return fmt.Errorf("look at %s: %w", address, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		return fmt.Errorf("look at %s: %w", address, err)
	}
	if resp.StatusCode != http.StatusOK || !strings.Contains(string(body), shows) {
		return fmt.Errorf("look at %s: %s, and it does not show %s", address, resp.Status, shows)
	}
	return nil
}
