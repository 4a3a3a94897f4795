package sim

import (
	"cmp"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/pulsarws"
)

// transport is what a process reads the topic with.
func (t *topic) transport(p *Process) eds.Transport {
	if t.Kind == "" {
		r := pulsarws.NewReader(t.url(), topicName, t.readerOptions(p)...)
		t.mu.Lock()
		defer t.mu.Unlock()
		t.readers[p] = r
		return r
	}
	return pulsarws.NewConsumer(t.url(), topicName, subscriptionName, t.consumerOptions(p)...)
}

func (t *topic) readerOptions(p *Process) []pulsarws.ReaderOption {
	opts := []pulsarws.ReaderOption{
		pulsarws.DialContext(p.Dial), pulsarws.Logger(silence),
		pulsarws.Cursor(t.world.Cursor.For(p), "orders"), pulsarws.From(cmp.Or(t.Start, pulsarws.Earliest)),
	}
	if t.Window > 0 {
		opts = append(opts, pulsarws.ReceiverQueueSize(t.Window))
	}
	if t.SaveEvery > 0 {
		opts = append(opts, pulsarws.SaveEvery(t.SaveEvery))
	}
	if t.NackDelay > 0 {
		opts = append(opts, pulsarws.RedeliveryDelay(t.NackDelay))
	}
	return opts
}

func (t *topic) consumerOptions(p *Process) []pulsarws.ConsumerOption {
	opts := []pulsarws.ConsumerOption{pulsarws.DialContext(p.Dial), pulsarws.Logger(silence), pulsarws.Subscribe(t.Kind)}
	if t.Window > 0 {
		opts = append(opts, pulsarws.ReceiverQueueSize(t.Window))
	}
	if t.Pull {
		opts = append(opts, pulsarws.PullMode())
	}
	if t.AckTimeout > 0 {
		opts = append(opts, pulsarws.AckTimeout(t.AckTimeout))
	}
	if t.NackDelay > 0 {
		opts = append(opts, pulsarws.NackDelay(t.NackDelay))
	}
	if t.DeadLetters > 0 {
		opts = append(opts, pulsarws.ServiceDeadLetters(t.DeadLetters, ""))
	}
	return opts
}
