package streaming8x8

import (
	"testing"

	"github.com/eventdelivery/eds-go/internal/pulsarserver"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pulsarserver.Main{M: m}) }
