package main

import (
	"io"
	"log/slog"
)

// logFlags say what goes to stderr.
type logFlags struct {
	Level  slog.Level `default:"info" env:"EDS_LOG_LEVEL" help:"Least level that is logged: debug, info, warn or error (${env})."`
	Format string     `default:"text" enum:"text,json" env:"EDS_LOG_FORMAT" help:"text or json (${env})."`
}

func (f *logFlags) logger(w io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: f.Level}
	if f.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
