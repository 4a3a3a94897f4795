package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// exTempFail says to try again; see sysexits.h.
const exTempFail = 75

// program is what eds work --exec runs: it reads one CloudEvent as a line of
// JSON and passes its id on to url, where the driver is the handler.
func program(ctx context.Context, url string, in io.Reader, errs io.Writer) int {
	var e struct {
		ID string `json:"id"`
	}
	if err := json.NewDecoder(in).Decode(&e); err != nil || e.ID == "" {
		fmt.Fprintln(errs, "chaos program: no event on stdin:", err)
		return 1
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, http.NoBody)
	if err != nil {
		fmt.Fprintln(errs, "chaos program:", err)
		return 1
	}
	req.Header.Set("Ce-Id", e.ID)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		fmt.Fprintln(errs, "chaos program:", err)
		return exTempFail
	}
	resp.Body.Close()
	switch {
	case resp.StatusCode < 300:
		return 0
	case resp.StatusCode == http.StatusServiceUnavailable:
		return exTempFail
	}
	return 1
}
