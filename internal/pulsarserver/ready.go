package pulsarserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/coder/websocket"
)

// await returns once ready has returned no error.
func (p *process) await(what string, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("pulsar ended; the end of its log:\n%s", p.logged())
		case <-ctx.Done():
			return fmt.Errorf("pulsar at %s is not ready %s: %w; the end of its log:\n%s", p.web, what, err, p.logged())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// answers asks the broker for its health, which includes a message through
// its storage, and the WebSocket service for a producer.
func (p *process) answers(ctx context.Context) error {
	status, body, err := request(ctx, http.MethodGet, "http://"+p.web+"/admin/v2/brokers/health", p.credentials(), nil)
	if err != nil || status != http.StatusOK {
		return errors.Join(err, fmt.Errorf("status %d: %.200s", status, body))
	}
	conn, resp, err := websocket.Dial(ctx, "ws://"+p.web+"/ws/v2/producer/non-persistent/public/default/ready",
		&websocket.DialOptions{HTTPClient: client, HTTPHeader: p.credentials()})
	if err != nil {
		return err
	}
	if resp.Body != nil {
		resp.Body.Close()
	}
	return conn.Close(websocket.StatusNormalClosure, "")
}

// credentials are those of the one who may do everything.
func (p *process) credentials() http.Header {
	h := http.Header{}
	if p.settings[secretKey] != "" {
		h.Set("Authorization", "Bearer "+token(p.settings, adminRole, 0))
	}
	return h
}

// client keeps no connections, so that none is left when a test ends.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func request(ctx context.Context, method, url string, header http.Header, body []byte) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header = header
	if slices.Contains([]string{http.MethodPut, http.MethodPost}, method) {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}
