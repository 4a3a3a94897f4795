package main

import (
	"bytes"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const want = `int-1  Ada Example    agent agA  3m7s  SALE                   [created InteractionQueued accepted InteractionSentimentMeasured deleted]
int-2  447700900123   agent       59s  CEC_DISCONNECT_NOANSWER [created deleted]
int-3                 agent        5s  1000                   [created deleted]
agA is available
agB is logged out
dead letter: streaming8x8: the payload is not a JSON object
`

func TestExample(t *testing.T) {
	var out, logs bytes.Buffer
	if err := run(t.Context(), &out, &logs); err != nil {
		t.Fatalf("%v\n%s", err, logs.String())
	}
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s\n%s", out.String(), want, logs.String())
	}
}
