package templates

import (
	"math"
	"time"

	"github.com/a-h/templ"
)

// galleryParts are the parts of a tenant's page.
func galleryParts() templ.Component {
	hour := make([]float64, 60)
	for i := range hour {
		hour[i] = 40 + 30*math.Sin(float64(i)/7) + float64(i%5)
	}
	seen := ago(3 * time.Minute)
	return templ.Join(
		within(Head(HeadView{Title: "متجر النخيل", Note: "nakheel.example · merchant 1234509876"}), templ.Join(
			Status(Well, "ready"),
			Act(ActView{Action: "/a", Label: "Import again", Primary: true}),
			Act(ActView{Action: "/a", Label: "Retry this step", Why: "nothing has failed"}),
			within(Menu("Act"), templ.Join(
				Act(ActView{Action: "/a", Label: "Resume"}),
				Act(ActView{Action: "/a", Label: "Suspend", Danger: true, Confirm: "yes", ConfirmWord: "x"}),
			)),
		)),
		Tabs([]Tab{
			{Label: "Overview", Href: "#", On: true},
			{Label: "Data", Href: "#", Count: "13,412"},
			{Label: "Rejects", Href: "#", Count: "3"},
			{Label: "Events", Href: "#"},
			{Label: "Connection", Href: "#"},
			{Label: "Database", Href: "#"},
		}),
		Facts([]Fact{
			{Label: "State", Value: "ready", Kind: Well},
			{Label: "Merchant", Value: "1234509876", Mono: true, Copy: true},
			{Label: "Last event", Time: &seen},
			{Label: "Database", Value: "2.1 MB", Note: "model 7"},
			{Label: "Plan"},
			{Label: "Owner", Value: "needs re-authorisation", Kind: Wait, Href: "#"},
		}),
		raw(`<div class="figures">`),
		Figure(FigureView{Label: "Installs", Value: "12", Note: "today", Points: hour, Span: "last hour"}),
		Figure(FigureView{Label: "Time to ready", Value: "0.8 s", Note: "p95 2.4 s", Points: []float64{1, 1, 1, 4, 1, 1}}),
		Figure(FigureView{Label: "Events applied", Value: "13,412", Note: "of 13,415 in the last hour", Points: []float64{0, 0, 0, 0}}),
		Figure(FigureView{Label: "Records a minute", Value: "8,104", Note: "5 imports run", Points: []float64{0, 5, 2, 9}}),
		Figure(FigureView{Label: "Oldest waiting task", Value: "4 m 10 s", Note: "imports", Kind: Wait, Points: []float64{0, 5, 2, 9}, Href: "#"}),
		Figure(FigureView{Label: "Failures", Value: "3", Note: "see them by reason", Kind: Broken}),
		raw(`</div>`),
		gallerySection("Steps", Ladder([]StepView{
			{Name: "store", Status: "done", Kind: Well, Took: "120 ms"},
			{Name: "identity", Status: "done", Kind: Well, Took: "310 ms"},
			{Name: "database", Status: "running", Kind: Run, Took: "4 s", Note: "attempt 2"},
			{Name: "seed", Status: "waits", Kind: Wait, Note: "for Twenty since 14:02"},
			{Name: "workspace", Status: "skipped", Kind: Off},
			{
				Name: "subscriptions", Status: "failed", Kind: Broken, Took: "2.1 s", Note: "attempt 8",
				Error: "the Salla grant was revoked",
				Todo:  "Needs the merchant: ask them to reinstall the app; waiting work goes on by itself.",
				Act:   &ActView{Action: "/a", Label: "Retry this step"},
			},
			{Name: "verify", Status: "not yet", Kind: Off},
		})),
		gallerySection("Import", templ.Join(
			raw(`<div class="progresses">`),
			Progress(ProgressView{Label: "customers", Done: "6,000", Total: "6,000", Percent: 100, Kind: Well}),
			Progress(ProgressView{Label: "orders", Done: "4,210", Total: "10,000", Percent: 42, Kind: Run, Note: "about 40 minutes left: Salla allows 2 requests a second"}),
			Progress(ProgressView{Label: "order details", Done: "1,800", Total: "10,000", Percent: 18, Kind: Wait, Note: "paused", Href: "#", Link: "3 rejected"}),
			Progress(ProgressView{Label: "products", Done: "212", Percent: -1, Kind: Run, Note: "counting"}),
			Progress(ProgressView{Label: "carts", Done: "3", Total: "300", Percent: 1, Kind: Broken, Note: "page 2 was given up"}),
			raw(`</div>`),
		)),
		gallerySection("Timeline", Timeline([]TimelineItem{
			{Time: ago(9 * time.Second), Kind: "event", Status: Well, Title: "order.created #5521", Detail: "applied in 40 ms", Href: "#", Link: "payload"},
			{Time: ago(17 * time.Second), Kind: "task", Status: Wait, Title: "import:page orders 71", Detail: "attempt 2 · waited 12 s: Salla's limit"},
			{Time: ago(4 * time.Minute), Kind: "step", Status: Broken, Title: "subscriptions", Detail: "failed: the Salla grant was revoked", Href: "#"},
			{Time: ago(50 * time.Hour), Kind: "person", Title: "operator@example.com", Detail: "resumed متجر النخيل"},
		})),
	)
}

// galleryLists are the parts of a page that lists things.
func galleryLists() templ.Component {
	return templ.Join(
		Head(HeadView{Title: "Tenants", Note: "10,214"}),
		Chips([]Chip{
			{Label: "all", Count: "10,214", Href: "#", On: true},
			{Label: "ready", Count: "9,871", Href: "#", Kind: Well},
			{Label: "provisioning", Count: "12", Href: "#", Kind: Run},
			{Label: "failed", Count: "3", Href: "#", Kind: Broken},
			{Label: "suspended", Count: "320", Href: "#", Kind: Off},
			{Label: "needs re-authorisation", Count: "8", Href: "#", Kind: Wait},
		}),
		Search(SearchBox{Action: "#", Placeholder: "Name, domain or merchant", Hidden: map[string]string{"status": "ready"}}),
		raw(`<div class="scroll"><table class="table"><thead><tr><th>Store</th><th>Merchant</th><th>Status</th><th class="num">Records</th><th>Last event</th><th class="num">Database</th><th>Plan</th><th>Since</th></tr></thead><tbody>`),
		galleryRow("متجر النخيل للعطور والهدايا", "nakheel.example", Well, "ready", "13,412"),
		galleryRow("Palm Store", "palm.example", Run, "provisioning", "0"),
		galleryRow("A store with a name that somebody made very long to see what becomes of it in a table", "long.example", Broken, "failed", "102"),
		galleryRow("متجر Mixed ١٢٣ (new)", "mixed.example", Wait, "needs re-authorisation", "1,204,881"),
		raw(`</tbody></table></div>`),
		Paging(Pager{Older: "#", Note: "1 to 50"}),
		Empty(EmptyView{Title: "No store yet", Text: "A store appears here when a merchant installs the app. To see one now, start the demo.", Command: "make demo"}),
		Payload(PayloadView{
			Title: "order.created", JSON: true, Note: "credentials are left out",
			Text: `{"event":"order.created","merchant":1234509876,"data":{"id":5521,"name":"سلمى العتيبي","total":{"amount":129.50,"currency":"SAR"},"paid":true,"note":null,"tags":["new","\"quoted\""],"empty":{}}}`,
		}),
	)
}

func gallerySection(title string, content templ.Component) templ.Component {
	return within(Section(SectionView{Title: title, Note: "as of now", Href: "#", Link: "all"}), content)
}

func galleryRow(name, domain, kind, word, records string) templ.Component {
	return templ.Join(
		raw(`<tr><td class="head grow" data-label="Store"><a class="row" href="#"><bdi>`+name+`</bdi></a> <span class="muted">`+domain+`</span></td>`+
			`<td class="mono" data-label="Merchant">1234509876</td><td data-label="Status">`),
		Status(kind, word),
		raw(`</td><td class="num" data-label="Records">`+records+`</td><td data-label="Last event">`),
		When(ago(3*time.Minute)),
		raw(`</td><td class="num" data-label="Database">2.1 MB</td><td class="minor" data-label="Plan">pro</td><td class="minor" data-label="Since">14 Nov</td></tr>`),
	)
}

func raw(html string) templ.Component { return templ.Raw(html) }
