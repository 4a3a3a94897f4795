package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/spool"
)

// spoolSetting is the file in which events wait for their work.
type spoolSetting string

// name is that of the spool.
func (f spoolSetting) name() string {
	base := filepath.Base(string(f))
	return strings.TrimSuffix(base, filepath.Ext(base))
}

// open opens the spool. attempts is how often an event is tried, 0 for ever.
func (f spoolSetting) open(log *slog.Logger, attempts int) (s *spool.Spool, closeSpool func(), err error) {
	s, err = spool.Open(kong.ExpandPath(string(f)), spool.Name(f.name()), spool.Logger(log), spool.MaxAttempts(attempts))
	if wrong, ok := errors.AsType[*eds.ConfigError](err); ok {
		return nil, nil, fmt.Errorf("--spool %q: %s", string(f), wrong.Reason)
	} else if err != nil {
		return nil, nil, fmt.Errorf("--spool %q: %w", string(f), err)
	}
	return s, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			log.ErrorContext(ctx, "the spool was not closed in good order", "file", string(f), "err", err)
		}
	}, nil
}
