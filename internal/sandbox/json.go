package sandbox

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// riyadh is the zone of every time Salla shows. It has no daylight saving, so a
// fixed zone spares the sandbox a tz database.
var riyadh = time.FixedZone("Asia/Riyadh", 3*60*60)

// money is an amount in thousandths of the currency's major unit: exact for
// the currencies with three decimals, too.
type money int64

// riyal returns an amount in major units.
func riyal(n int64) money { return money(n * 1000) }

// percent returns p percent of m, rounded to hundredths.
func (m money) percent(p int64) money {
	v := int64(m) * p / 100
	return money((v + 5) / 10 * 10)
}

// writer appends one JSON document. It is not a general encoder: it lets a
// record choose, key by key, the loose forms in which Salla writes values.
// An empty key means an element of an array.
type writer struct {
	b         []byte
	escaped   bool   // as PHP encodes by default: \/ and \uXXXX
	moneyText bool   // amounts of money as strings
	dateForm  uint8  // which form of date object
	currency  string // of money written without its own
}

func (w *writer) key(k string) {
	if n := len(w.b); n > 0 {
		switch w.b[n-1] {
		case '{', '[', ':':
		default:
			w.b = append(w.b, ',')
		}
	}
	if k != "" {
		w.b = append(w.b, '"')
		w.b = append(w.b, k...)
		w.b = append(w.b, '"', ':')
	}
}

func (w *writer) obj(k string)    { w.key(k); w.b = append(w.b, '{') }
func (w *writer) endObj()         { w.b = append(w.b, '}') }
func (w *writer) arr(k string)    { w.key(k); w.b = append(w.b, '[') }
func (w *writer) endArr()         { w.b = append(w.b, ']') }
func (w *writer) raw(k, v string) { w.key(k); w.b = append(w.b, v...) }
func (w *writer) null(k string)   { w.raw(k, "null") }

func (w *writer) int(k string, v int64) {
	w.key(k)
	w.b = strconv.AppendInt(w.b, v, 10)
}

func (w *writer) bool(k string, v bool) {
	w.key(k)
	w.b = strconv.AppendBool(w.b, v)
}

func (w *writer) float(k string, v float64) {
	w.key(k)
	w.b = strconv.AppendFloat(w.b, v, 'f', -1, 64)
}

// intText writes v as a number, or as a string of digits.
func (w *writer) intText(k string, v int64, text bool) {
	w.key(k)
	if text {
		w.b = append(w.b, '"')
	}
	w.b = strconv.AppendInt(w.b, v, 10)
	if text {
		w.b = append(w.b, '"')
	}
}

// strOrNull writes null for an empty string.
func (w *writer) strOrNull(k, v string) {
	if v == "" {
		w.null(k)
		return
	}
	w.str(k, v)
}

func (w *writer) str(k, v string) {
	w.key(k)
	w.b = append(w.b, '"')
	w.text(v)
	w.b = append(w.b, '"')
}

// strs writes one string made of parts, without building it first.
func (w *writer) strs(k string, parts ...string) {
	w.key(k)
	w.b = append(w.b, '"')
	for _, p := range parts {
		w.text(p)
	}
	w.b = append(w.b, '"')
}

const hexDigits = "0123456789abcdef"

func (w *writer) text(s string) {
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf && w.escaped {
			r, n := utf8.DecodeRuneInString(s[i:])
			w.b = append(w.b, s[start:i]...)
			w.unicode(r)
			i += n
			start = i
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' && (c != '/' || !w.escaped) {
			i++
			continue
		}
		w.b = append(w.b, s[start:i]...)
		switch c {
		case '"', '\\', '/':
			w.b = append(w.b, '\\', c)
		case '\n':
			w.b = append(w.b, '\\', 'n')
		default:
			w.b = append(w.b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	w.b = append(w.b, s[start:]...)
}

func (w *writer) unicode(r rune) {
	if r >= 0x10000 {
		r -= 0x10000
		w.unicode(0xd800 + r>>10)
		w.unicode(0xdc00 + r&0x3ff)
		return
	}
	w.b = append(w.b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// amount writes a plain number, without trailing zeros.
func (w *writer) amount(k string, m money) {
	w.key(k)
	w.b = appendMoney(w.b, m, 0)
}

// amountText writes a decimal string with at least two decimals.
func (w *writer) amountText(k string, m money) {
	w.key(k)
	w.b = append(w.b, '"')
	w.b = appendMoney(w.b, m, 2)
	w.b = append(w.b, '"')
}

// money writes {"amount","currency"}.
func (w *writer) money(k string, m money) {
	w.moneyIn(k, m, w.currency)
}

func (w *writer) moneyIn(k string, m money, currency string) {
	w.obj(k)
	if w.moneyText {
		w.amountText("amount", m)
	} else {
		w.amount("amount", m)
	}
	w.raw("currency", `"`)
	w.b = append(w.b, currency...)
	w.b = append(w.b, '"', '}')
}

func appendMoney(b []byte, m money, decimals int) []byte {
	if m < 0 {
		b = append(b, '-')
		m = -m
	}
	b = strconv.AppendInt(b, int64(m)/1000, 10)
	rest := int(m % 1000)
	digits := [3]byte{byte('0' + rest/100), byte('0' + rest/10%10), byte('0' + rest%10)}
	n := 3
	for n > decimals && digits[n-1] == '0' {
		n--
	}
	if n > 0 {
		b = append(b, '.')
		b = append(b, digits[:n]...)
	}
	return b
}

// date writes a date object; its zone may be missing, in part or wholly.
func (w *writer) date(k string, unix int64) {
	w.obj(k)
	w.key("date")
	w.b = append(w.b, '"')
	w.b = appendStamp(w.b, unix)
	w.b = append(w.b, ".000000\""...)
	switch w.dateForm {
	case 0:
		w.b = append(w.b, `,"timezone_type":3,"timezone":"Asia`...)
		if w.escaped {
			w.b = append(w.b, '\\')
		}
		w.b = append(w.b, `/Riyadh"`...)
	case 1:
		w.b = append(w.b, `,"timezone_type":3`...)
	}
	w.endObj()
}

// stamp writes `2006-01-02 15:04:05`, the time of a shop without a zone.
func (w *writer) stamp(k string, unix int64) {
	w.key(k)
	w.b = append(w.b, '"')
	w.b = appendStamp(w.b, unix)
	w.b = append(w.b, '"')
}

// day writes `2006-01-02`.
func (w *writer) day(k string, unix int64) {
	w.key(k)
	w.b = append(w.b, '"')
	w.b = time.Unix(unix, 0).In(riyadh).AppendFormat(w.b, time.DateOnly)
	w.b = append(w.b, '"')
}

func appendStamp(b []byte, unix int64) []byte {
	return time.Unix(unix, 0).In(riyadh).AppendFormat(b, time.DateTime)
}
