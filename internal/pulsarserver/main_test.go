package pulsarserver_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/eventdelivery/eds-go/internal/pulsarserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pulsarserver.Main{M: m}) }
