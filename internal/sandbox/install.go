package sandbox

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Install installs the app in a store, as Salla's easy mode does: a fresh
// grant, then app.installed and app.store.authorize, in the order the Options
// say. It returns after the first attempt of both; failed ones are resent in
// the background and are no error. Installing again is an update: the older
// grant lives on, as far as it was not revoked.
func (s *Server) Install(ctx context.Context, merchant int64) error {
	st, ok := s.store(merchant)
	if !ok {
		return fmt.Errorf("install: no store %d", merchant)
	}
	t := s.grants.issue(merchant, st.spec.Scopes, s.now(), s.cfg.TokenLife)
	st.mu.Lock()
	again := st.installed != 0
	if !again {
		st.installed = s.now().Unix()
	}
	st.mu.Unlock()

	first, second := s.installedEvent(st, again), s.authorizeEvent(st, t)
	if s.Options().AuthorizeFirst {
		first, second = second, first
	}
	s.courier.sendNow(ctx, s.appDelivery(merchant, first))
	s.courier.sendNow(ctx, s.appDelivery(merchant, second))
	return nil
}

// Authorize pushes a fresh grant for a store, without app.installed.
func (s *Server) Authorize(ctx context.Context, merchant int64) error {
	st, ok := s.store(merchant)
	if !ok {
		return fmt.Errorf("authorize: no store %d", merchant)
	}
	t := s.grants.issue(merchant, st.spec.Scopes, s.now(), s.cfg.TokenLife)
	st.mu.Lock()
	if st.installed == 0 {
		st.installed = s.now().Unix()
	}
	st.mu.Unlock()
	s.courier.sendNow(ctx, s.appDelivery(merchant, s.authorizeEvent(st, t)))
	return nil
}

// markInstalled notes a consent given in custom mode; app.installed follows,
// no authorize event does.
func (s *Server) markInstalled(st *store) {
	st.mu.Lock()
	again := st.installed != 0
	if !again {
		st.installed = s.now().Unix()
	}
	st.mu.Unlock()
	if !again {
		s.courier.send(s.appDelivery(st.spec.Merchant, s.installedEvent(st, false)))
	}
}

// Uninstall ends a store's grants and subscriptions and delivers
// app.uninstalled. It returns after the first attempt.
func (s *Server) Uninstall(ctx context.Context, merchant int64) error {
	st, ok := s.store(merchant)
	if !ok {
		return fmt.Errorf("uninstall: no store %d", merchant)
	}
	s.grants.revoke(merchant)
	st.mu.Lock()
	since := st.installed
	st.installed, st.subs = 0, nil
	st.mu.Unlock()

	now := s.now()
	e := s.appEvent(st, "app.uninstalled", func(w *writer) {
		s.renderApp(w, "app_description")
		w.raw("categories", `["Marketing"]`)
		w.stamp("installation_date", since)
		w.stamp("uninstallation_date", now.Unix())
		w.bool("refunded", false)
		w.str("store_type", st.spec.Type)
	})
	s.courier.sendNow(ctx, s.appDelivery(merchant, e))
	return nil
}

// appEvent renders an app event; its time has one second and no zone.
func (s *Server) appEvent(st *store, name string, fields func(w *writer)) Event {
	at := s.now().In(riyadh).Format(time.DateTime)
	return envelope(name, st.spec.Merchant, at, func(w *writer) {
		w.obj("")
		fields(w)
		w.endObj()
	})
}

func (s *Server) renderApp(w *writer, description string) {
	w.int("id", s.cfg.AppID)
	w.str("app_name", "وصول")
	w.str(description, "علاقات العملاء لمتجرك")
	w.str("app_type", "app")
}

// installedEvent is app.installed, or app.updated where it was installed.
func (s *Server) installedEvent(st *store, again bool) Event {
	st.mu.Lock()
	since := st.installed
	st.mu.Unlock()
	name := "app.installed"
	if again {
		name = "app.updated"
	}
	return s.appEvent(st, name, func(w *writer) {
		s.renderApp(w, "description")
		if again {
			w.raw("categories", `["Marketing"]`)
		}
		w.arr("app_scopes")
		for _, scope := range strings.Fields(st.spec.Scopes) {
			w.str("", scope)
		}
		w.endArr()
		w.stamp("installation_date", since)
		if again {
			w.stamp("update_date", s.now().Unix())
		}
		w.str("store_type", st.spec.Type)
	})
}

// authorizeEvent carries the tokens; here expires is a moment.
func (s *Server) authorizeEvent(st *store, t tokens) Event {
	return s.appEvent(st, "app.store.authorize", func(w *writer) {
		w.str("access_token", t.access)
		w.int("expires", t.expires.Unix())
		if t.refresh != "" {
			w.str("refresh_token", t.refresh)
		}
		w.str("scope", t.scope)
		w.str("token_type", "bearer")
	})
}

// SendAppEvent delivers any other app.* event with the given data, a JSON
// object, and returns after the first attempt.
func (s *Server) SendAppEvent(ctx context.Context, merchant int64, event string, data []byte) error {
	st, ok := s.store(merchant)
	if !ok {
		return fmt.Errorf("app event: no store %d", merchant)
	}
	at := s.now().In(riyadh).Format(time.DateTime)
	e := envelope(event, st.spec.Merchant, at, func(w *writer) { w.raw("", string(data)) })
	s.courier.sendNow(ctx, s.appDelivery(merchant, e))
	return nil
}
