// Package templates is the console's pages: one .templ file for each page, parts
// that all pages share, and beside them the view models they take. A view model
// holds strings that are ready to print and booleans that are ready to test: no
// query, no clock and no rule is in here.
//
// A page is written as
//
//	templ Tenants(f Frame, v TenantsView) {
//		@Page(f) {
//			@Head(HeadView{Title: "Tenants"})
//			…
//		}
//	}
//
// # Markup that the style sheet and the script know
//
//   - table.table: a table of rows. th.num and td.num are numbers (end-aligned,
//     tabular), td.mono an id, td.grow takes the room that is left. Give each td a
//     data-label with its column's name: below 900 px a row becomes a card and the
//     labels are shown. td.head is the cell that heads the card; td.minor is left
//     out of it. Wrap the table in div.scroll.
//   - tr with one a.row: a row that opens. j, k and Enter walk these.
//   - [data-live=KEY]: a part that is sent again when it changes; see Live.
//   - [data-copy=TEXT]: a button that copies; see Copy. It is hidden without script.
//   - .muted, .small, .mono, .num, .nowrap, .clip (one line, cut with an ellipsis).
//   - .stack (things below each other), .row-of (things beside each other, wrapping),
//     .grid (cards of equal width), .split (two columns, one below 900 px).
//   - form.filters (fields in a row), .field (label above its field), button.primary,
//     button.danger, a.button.
//
// Names that merchants chose stand in <bdi>. Nothing has a style or an on…
// attribute: the content security policy forbids both.
package templates

//go:generate go tool -modfile=../tools/go.mod templ generate
