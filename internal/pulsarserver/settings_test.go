package pulsarserver

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestSettingsReplaceLinesAndNeverRepeatThem(t *testing.T) {
	got := string(configured([]byte("# b=0\na=1\nb = 2\r\nb=3\n\nc=x=y"), map[string]string{"b": "9", "z": "", "y": "8"}))
	if want := "# b=0\na=1\nb=9\n\nc=x=y\ny=8\nz=\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTokenIsSignedWithTheServersKey(t *testing.T) {
	s := settings([]Option{WithTokens()})
	if other := settings([]Option{WithTokens()}); s[secretKey] == other[secretKey] {
		t.Error("two servers share a key")
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s[secretKey], "data:;base64,"))
	if err != nil || len(key) != 32 {
		t.Fatalf("a key of %d bytes, %v", len(key), err)
	}
	parts := strings.Split(token(s, "reader", -time.Hour), ".")
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(parts[0] + "." + parts[1]))
	if got := base64.RawURLEncoding.EncodeToString(mac.Sum(nil)); got != parts[2] {
		t.Errorf("signature %s, want %s", parts[2], got)
	}
	var claims struct {
		Sub string
		Exp int64
	}
	body, _ := base64.RawURLEncoding.DecodeString(parts[1])
	if err := json.Unmarshal(body, &claims); err != nil || claims.Sub != "reader" || claims.Exp >= time.Now().Unix() || claims.Exp == 0 {
		t.Errorf("claims %s, %v", body, err)
	}
}
