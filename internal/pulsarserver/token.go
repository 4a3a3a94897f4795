package pulsarserver

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

const (
	// secretKey is the setting with the key that signs tokens.
	secretKey = "tokenSecretKey"
	// adminRole may do everything on a server WithTokens.
	adminRole = "admin"
)

// Token returns a token of a server WithTokens: a JSON Web Token (RFC 7519)
// for the role, which ends in a while; with 0 it never does, and with less it
// has ended already.
func (s *Server) Token(role string, life time.Duration) string {
	s.tb.Helper()
	if s.p.settings[secretKey] == "" {
		s.tb.Fatal("pulsarserver: the server was not started WithTokens")
	}
	return token(s.p.settings, role, life)
}

func token(settings map[string]string, role string, life time.Duration) string {
	_, encoded, _ := strings.Cut(settings[secretKey], ",")
	key, _ := base64.StdEncoding.DecodeString(encoded)
	claims := map[string]any{"sub": role}
	if life != 0 {
		claims["exp"] = time.Now().Add(life).Unix()
	}
	body, _ := json.Marshal(claims) // of strings and numbers: cannot fail
	b64 := base64.RawURLEncoding
	signed := b64.EncodeToString([]byte(`{"alg":"HS256"}`)) + "." + b64.EncodeToString(body)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(signed))
	return signed + "." + b64.EncodeToString(mac.Sum(nil))
}
