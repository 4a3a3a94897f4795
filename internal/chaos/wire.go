package main

import (
	"time"

	"github.com/eventdelivery/eds-go/internal/history"
)

// line is an entry as it is written to a pipe or a file.
type line struct {
	Time    time.Time  `json:"t"`
	Actor   string     `json:"by,omitempty"`
	Op      history.Op `json:"op"`
	Queue   string     `json:"queue,omitempty"`
	Event   string     `json:"event,omitempty"`
	Receipt string     `json:"receipt,omitempty"`
	Conn    string     `json:"conn,omitempty"`
	Token   string     `json:"token,omitempty"`
	Attempt int        `json:"attempt,omitempty"`
	Result  string     `json:"result,omitempty"`
}

func brief(e history.Entry) line {
	return line{
		Time: e.Time.UTC(), Actor: e.Actor, Op: e.Op, Queue: e.Queue, Event: e.Event, Receipt: e.Receipt,
		Conn: e.Conn, Token: e.Token, Attempt: e.Attempt, Result: e.Result,
	}
}

func (l line) entry() history.Entry {
	return history.Entry{
		Time: l.Time, Actor: l.Actor, Op: l.Op, Queue: l.Queue, Event: l.Event, Receipt: l.Receipt,
		Conn: l.Conn, Token: l.Token, Attempt: l.Attempt, Result: l.Result,
	}
}
