package web

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"
)

// The codes are those that every app knows: six digits of SHA-1, a new one every
// thirty seconds.
const (
	codePeriod = 30
	codeDigits = 6
	codeDrift  = 1 // steps of time that an app's clock may be off, either way
)

const (
	recoveryCodes = 10
	recoveryBytes = 10 // 80 bits: 16 letters in four groups
)

// newSecret makes the secret of an operator's codes.
func newSecret(email string) (*otp.Key, error) {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: "Wosool", AccountName: email})
	if err != nil {
		return nil, fmt.Errorf("make a secret: %w", err)
	}
	return key, nil
}

// secretAgain is the key of a secret that was made before.
func secretAgain(email, secret string) (*otp.Key, error) {
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	if err != nil {
		return nil, fmt.Errorf("read a secret: %w", err)
	}
	key, err := totp.Generate(totp.GenerateOpts{Issuer: "Wosool", AccountName: email, Secret: raw})
	if err != nil {
		return nil, fmt.Errorf("read a secret: %w", err)
	}
	return key, nil
}

// codeStep returns the step of time whose code this is, by a clock that may be off
// a little; ok is false where it is none's.
func codeStep(secret, code string, now time.Time) (step int64, ok bool) {
	at := now.Unix() / codePeriod
	for s := at - codeDrift; s <= at+codeDrift; s++ {
		want, err := hotp.GenerateCode(secret, uint64(s)) //nolint:gosec // times since 1970
		if err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			step, ok = s, true
		}
	}
	return step, ok
}

// typedCode is a code as it was typed: without spaces and dashes, in capitals, and
// with digits as machines write them.
func typedCode(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '٠' && r <= '٩':
			return r - '٠' + '0'
		case r >= '۰' && r <= '۹':
			return r - '۰' + '0'
		case r >= '0' && r <= '9', r >= 'A' && r <= 'Z':
			return r
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		}
		return -1
	}, text)
}

// newRecoveryCodes makes codes, as they are shown and as they are kept.
func newRecoveryCodes(operator uuid.UUID) (codes []string, hashes [][]byte, err error) {
	for range recoveryCodes {
		raw := make([]byte, recoveryBytes)
		if _, err := rand.Read(raw); err != nil {
			return nil, nil, fmt.Errorf("make recovery codes: %w", err)
		}
		text := base32.StdEncoding.EncodeToString(raw)
		codes, hashes = append(codes, inFours(text)), append(hashes, recoveryHash(operator, text))
	}
	return codes, hashes, nil
}

// recoveryHash is what is kept of a recovery code, bound to whose it is.
func recoveryHash(operator uuid.UUID, code string) []byte {
	h := sha256.Sum256([]byte("recovery:" + operator.String() + ":" + code))
	return h[:]
}

// inFours is a text in groups of four, as people read it.
func inFours(text string) string {
	var b strings.Builder
	for i, r := range text {
		if i > 0 && i%4 == 0 {
			b.WriteByte('-')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// qrPicture is the picture that apps scan, as a data: address. Its margin is part
// of it: on a dark page it would be none.
func qrPicture(key *otp.Key) (string, error) {
	const size, margin = 400, 32
	code, err := key.Image(size, size)
	if err != nil {
		return "", fmt.Errorf("draw the QR code: %w", err)
	}
	page := image.NewPaletted(image.Rect(0, 0, size+2*margin, size+2*margin), color.Palette{color.White, color.Black})
	draw.Draw(page, code.Bounds().Add(image.Pt(margin, margin)), code, code.Bounds().Min, draw.Src)
	var b bytes.Buffer
	if err := png.Encode(&b, page); err != nil {
		return "", fmt.Errorf("draw the QR code: %w", err)
	}
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(b.Bytes()), nil
}
