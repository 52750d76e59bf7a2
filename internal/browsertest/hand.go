package browsertest

import (
	"context"
	"fmt"
	"strings"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// Cookie gives the tab a cookie, as name=value, for the server at an address.
func (tab *Tab) Cookie(address, cookie string) {
	tab.t.Helper()
	name, value, _ := strings.Cut(cookie, "=")
	tab.Do(func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, network.SetCookie, network.SetCookieParams{Name: name, Value: value, URL: address + "/"})
		return chromedp.Void{}, err
	})
}

// Fill types a text into the field of that name.
func (tab *Tab) Fill(name, text string) {
	tab.t.Helper()
	field := fmt.Sprintf("[name=%q]", name)
	tab.Do(chromedp.WaitVisible(field), chromedp.SendKeys(field, text))
}

// Press clicks the first button or link, in the document's order, that is
// labelled so and visible.
func (tab *Tab) Press(label string) {
	tab.t.Helper()
	tab.Await(fmt.Sprintf(`(() => {
		const hit = [...document.querySelectorAll("button, a, summary, input[type=submit]")]
			.find(e => (e.innerText || e.value || "").trim() === %q && e.offsetParent !== null);
		if (hit) hit.click();
		return !!hit;
	})()`, label))
}

// Type presses the keys of a text, one after the other, wherever the focus is.
func (tab *Tab) Type(keys string) {
	tab.t.Helper()
	tab.Do(chromedp.KeyEvent(keys))
}

// Point waits for the element that an expression gives, and moves the pointer
// onto it, away from where it was.
func (tab *Tab) Point(element string) {
	tab.t.Helper()
	tab.Await(fmt.Sprintf(`!!(%s)`, element))
	tab.Do(func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		at, err := chromedp.Evaluate[[]float64](fmt.Sprintf(`(() => {
			const element = %s;
			element.scrollIntoView({block: "nearest", inline: "nearest", behavior: "instant"});
			const box = element.getBoundingClientRect();
			return [box.x + Math.min(5, box.width / 2), box.y + box.height / 2];
		})()`, element))(ctx, target)
		if err != nil {
			return chromedp.Void{}, err
		}
		return chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, at[0], at[1])(ctx, target)
	})
}
