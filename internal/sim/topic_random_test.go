package sim

import (
	"testing"

	"github.com/eventdelivery/eds-go/transport/pulsarws"
)

func TestNothingIsLostByConsumersOnBadDays(t *testing.T) {
	for _, kind := range []pulsarws.SubscriptionType{pulsarws.Exclusive, pulsarws.Shared, pulsarws.KeyShared, pulsarws.Failover} {
		t.Run(string(kind), func(t *testing.T) { soak(t, 2, ConsumerDay(kind)) })
	}
}

func TestNothingIsLostByReadersOnBadDays(t *testing.T) {
	for _, start := range []pulsarws.Start{pulsarws.Earliest, pulsarws.Latest} {
		t.Run(string(start), func(t *testing.T) { soak(t, 2, ReaderDay(start)) })
	}
}
