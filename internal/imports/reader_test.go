package imports

import (
	"encoding/json"
	"testing"

	"github.com/wosool/wosool/internal/salla"
)

func TestMoneyIsReadInEachForm(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]struct {
		amount   salla.Number
		currency string
	}{
		`{"amount":22.5,"currency":"SAR"}`:                              {"22.5", "SAR"},
		`{"amount":"22.50","currency":"SAR"}`:                           {"22.50", "SAR"},
		`{"amount":null,"currency":"SAR"}`:                              {"", "SAR"},
		`{"percent":"15.00","amount":{"amount":22.5,"currency":"KWD"}}`: {"22.5", "KWD"},
		`{"amount":{"amount":1,"currency":"KWD"},"currency":null}`:      {"1", "KWD"},
		`34.99`:   {"34.99", ""},
		`"٣٤٫٩٩"`: {"34.99", ""},
		`null`:    {}, `[]`: {}, `{}`: {}, `""`: {},
	} {
		t.Run(in, func(t *testing.T) {
			t.Parallel()
			r := read(document{"price": json.RawMessage(in)}, "product")
			amount, currency := r.money("price", "price"), r.currency("price")
			if err := r.err(); err != nil || amount != want.amount || currency != want.currency {
				t.Errorf("got %q %q, %v, want %q %q", amount, currency, err, want.amount, want.currency)
			}
		})
	}
	for in, field := range map[string]string{
		`{"amount":"many"}`: "price.amount", `[5]`: "price", `"SAR"`: "price", `true`: "price",
		`{"total":5}`: "price", `{"amount":{"amount":[1]}}`: "price.amount.amount",
	} {
		r := read(document{"price": json.RawMessage(in)}, "product")
		amount := r.money("price", "price")
		if fault := *r.fault; fault == nil || fault.Field != field || amount != "" {
			t.Errorf("%s: got %q, fault %v, want one of %s", in, amount, fault, field)
		}
	}
}
