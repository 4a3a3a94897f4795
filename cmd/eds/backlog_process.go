package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/eventdelivery/eds-go/internal/wslink"
	"github.com/eventdelivery/eds-go/transport/spool"
)

// backlogHandler answers with what waits in a spool, and with no event of it.
func backlogHandler(s *spool.Spool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		b, err := s.Backlog()
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = printJSON(w, spoolJSON(b)) // nobody is left to tell
	}
}

// isHTTP tells whether s is meant as the URL of a process.
func isHTTP(s string) bool {
	scheme, _, found := strings.Cut(s, "://")
	return found && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https"))
}

// checkProcess says what is wrong with the URL of a process.
func checkProcess(where string) error {
	if u, err := url.Parse(where); err != nil || u.Hostname() == "" {
		return fmt.Errorf("<where> %q: must be a URL such as http://HOST:PORT", wslink.Harmless(where))
	}
	return nil
}

// process asks the process that has the spool open.
func (c *backlogCommand) process(ctx context.Context, w io.Writer) error {
	r, err := askBacklog(ctx, c.Where)
	if err != nil {
		return fmt.Errorf("backlog of %s: %w", wslink.Harmless(c.Where), err)
	}
	return c.print(w, r)
}

// maxReport bounds what an answer may take in memory: a million types.
const maxReport = 64 << 20

func askBacklog(ctx context.Context, where string) (r spoolReport, err error) {
	at, err := url.JoinPath(where, "backlog")
	if err != nil {
		return r, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, http.NoBody)
	if err != nil {
		return r, err
	}
	req.Close = true // there is no second question
	client := &http.Client{Timeout: lookTime}
	resp, err := client.Do(req)
	if wrong, ok := errors.AsType[*url.Error](err); ok {
		return r, wrong.Err // the caller names the URL, without what is secret
	} else if err != nil {
		return r, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return r, errors.New("there is none: is this the --health-addr of eds forward --spool?")
	default:
		return r, fmt.Errorf("answered %s", resp.Status)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxReport))
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil || r.Types == nil {
		return r, errors.New("the answer is no backlog: is this the --health-addr of eds forward --spool?")
	}
	return r, nil
}
