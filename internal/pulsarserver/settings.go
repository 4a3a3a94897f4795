package pulsarserver

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Option changes how a server is set up.
type Option func(map[string]string)

// Set sets a key of Pulsar's standalone.conf.
func Set(key, value string) Option {
	return func(settings map[string]string) { settings[key] = value }
}

// WithTokens makes the server ask for tokens, which Server.Token makes, and
// look up what their roles may do, which Server.Grant says.
func WithTokens() Option {
	return func(settings map[string]string) {
		key := make([]byte, 32)
		rand.Read(key)
		settings[secretKey] = "data:;base64," + base64.StdEncoding.EncodeToString(key)
		settings["authenticationEnabled"] = "true"
		settings["authenticationProviders"] = "org.apache.pulsar.broker.authentication.AuthenticationProviderToken"
		settings["authorizationEnabled"] = "true"
		settings["superUserRoles"] = adminRole
		settings["brokerClientAuthenticationPlugin"] = "org.apache.pulsar.client.impl.auth.AuthenticationToken"
		settings["brokerClientAuthenticationParameters"] = "token:" + token(settings, adminRole, 0)
	}
}

// settings returns what differs from the standalone.conf that Pulsar comes
// with, but for the ports.
func settings(options []Option) map[string]string {
	s := map[string]string{
		"bindAddress":       "127.0.0.1",
		"advertisedAddress": "127.0.0.1",

		// As little memory as works, and no threads for load that never comes.
		"managedLedgerCacheSizeMB":          "16",
		"dbStorage_writeCacheMaxSizeMb":     "16",
		"dbStorage_readAheadCacheMaxSizeMb": "8",
		"dbStorage_rocksDB_blockCacheSize":  "8388608",
		"numIOThreads":                      "2",
		"numHttpServerThreads":              "8",

		// The tests publish more than the 1 MiB that is allowed by default.
		"webSocketMaxTextFrameSize": "8388608",

		// A topic without a subscription keeps its messages, for readers to come
		// back to, and itself.
		"defaultRetentionTimeInMinutes":     "-1",
		"defaultRetentionSizeInMB":          "-1",
		"brokerDeleteInactiveTopicsEnabled": "false",
	}
	for _, change := range options {
		change(s)
	}
	return s
}

// configured returns the configuration file with these settings. Pulsar takes
// the last of several lines with a key, its storage the first: each key is
// there once.
func configured(file []byte, settings map[string]string) []byte {
	var out bytes.Buffer
	rest := maps.Clone(settings)
	for line := range strings.Lines(string(file)) {
		line = strings.TrimRight(line, "\r\n")
		key, _, found := strings.Cut(line, "=")
		key = strings.TrimSpace(key)
		if value, ours := settings[key]; found && ours {
			if _, first := rest[key]; !first {
				continue
			}
			delete(rest, key)
			line = key + "=" + value
		}
		fmt.Fprintln(&out, line)
	}
	for _, key := range slices.Sorted(maps.Keys(rest)) {
		fmt.Fprintf(&out, "%s=%s\n", key, rest[key])
	}
	return out.Bytes()
}
