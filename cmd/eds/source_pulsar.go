package main

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/cursor"
	"github.com/eventdelivery/eds-go/transport/lease"
	"github.com/eventdelivery/eds-go/transport/pulsarws"
	"github.com/eventdelivery/eds-go/transport/streaming8x8"
)

// pulsarFlags name a topic of Pulsar's, and how it is read. The command line
// gives an operator what pulsarws has, as far as it is of use without a program
// around it.
type pulsarFlags struct {
	Topic     string `placeholder:"NAME" env:"EDS_TOPIC" help:"Topic to read: its name, or TENANT/NAMESPACE/NAME (${env})."`
	Tenant    string `placeholder:"NAME" env:"EDS_TENANT" help:"Tenant of the topic (${env})."`
	Namespace string `placeholder:"NAME" env:"EDS_NAMESPACE" help:"Namespace of the topic; event-v1 for 8x8 (${env})."`

	Subscription     string         `placeholder:"NAME" env:"EDS_SUBSCRIPTION" help:"Consume by this subscription, whose place the service keeps (${env}). Without it the topic is read by a Reader."`
	SubscriptionType string         `placeholder:"TYPE" env:"EDS_SUBSCRIPTION_TYPE" help:"Exclusive, Shared, Failover or Key_Shared; Exclusive unless set (${env})."`
	Cursor           string         `placeholder:"FILE" env:"EDS_CURSOR" help:"Where a Reader keeps its place, to go on there next time (${env})."`
	From             string         `default:"latest" env:"EDS_FROM" help:"Where to begin when no place is kept yet: earliest, latest, or, of a Reader, after the message with this id (${env})."`
	Window           int            `default:"256" env:"EDS_WINDOW" help:"Events that may be unacknowledged at once, 1 to 1000: receiverQueueSize (${env})."`
	NackDelay        time.Duration  `default:"1m" env:"EDS_NACK_DELAY" help:"Time until an event that was given back comes again (${env})."`
	AckTimeout       *time.Duration `placeholder:"1s" env:"EDS_ACK_TIMEOUT" help:"Time after which the service delivers again to a consumer what is not acknowledged; never unless set (${env})."`
	Pull             bool           `env:"EDS_PULL" help:"Have a consumer ask for each event, instead of being sent them (${env})."`
	ClientName       string         `placeholder:"NAME" env:"EDS_CLIENT_NAME" help:"Name of this client in the service's statistics (${env})."`

	name topicName // of Topic, Tenant and Namespace
}

// decideTopic finds out which topic is meant, and what is wrong with it.
func (f *sourceFlags) decideTopic(flags given) error {
	if err := f.decideHost(flags); err != nil {
		return err
	}
	if err := f.nameTopic(flags); err != nil {
		return err
	}
	if flags.has("subscription") && f.Subscription == "" {
		return errors.New(`--subscription "": must not be empty; leave it out to read without one`)
	}
	if flags.has("cursor") && f.Cursor == "" {
		return errors.New(`--cursor "": must not be empty; leave it out to keep no place`)
	}
	if err := f.checkPlace(); err != nil {
		return err
	}
	if err := f.checkStandby(); err != nil {
		return err
	}
	topic := fmt.Sprintf("--topic %q", f.Topic)
	if !strings.Contains(f.Topic, "/") {
		topic += fmt.Sprintf(" of --tenant %q and --namespace %q", f.name.tenant, f.name.namespace)
	}
	err := f.wrong(f.pulsar(slog.New(slog.DiscardHandler), nil, nil).Validate(), map[string]string{
		"url": "--url", "subscription": "--subscription", "Token": "--api-key",
		"PingInterval": "--ping-interval", "PongTimeout": "--pong-timeout",
		"Backoff min": "--reconnect-min", "Backoff max": "--reconnect-max",
		"ReceiverQueueSize": "--window", "AckTimeout": "--ack-timeout", "From": "--from",
	})
	if wrong, ok := errors.AsType[*eds.ConfigError](err); ok && wrong.Setting == "topic" {
		return fmt.Errorf("%s: %s", topic, wrong.Reason)
	}
	return err
}

// nameTopic puts the topic's name together.
func (f *sourceFlags) nameTopic(flags given) (err error) {
	if strings.Contains(f.Topic, "/") {
		for _, part := range []struct{ flag, value string }{{"tenant", f.Tenant}, {"namespace", f.Namespace}} {
			if flags.has(part.flag) {
				return fmt.Errorf("--%s %q: cannot be together with --topic %q, which names one", part.flag, part.value, f.Topic)
			}
		}
		f.name, err = parseTopic(f.Topic)
		return err
	}
	f.name = topicName{domain: "persistent", tenant: f.Tenant, namespace: f.Namespace, topic: f.Topic}
	if f.is8x8() && f.Namespace == "" {
		f.name.namespace = streaming8x8.EventNamespace
	}
	if f.is8x8() && f.name.namespace == streaming8x8.EventNamespace {
		f.name.topic = streaming8x8.EventType(f.Topic).Name
	}
	for _, part := range []struct{ flag, value string }{{"tenant", f.name.tenant}, {"namespace", f.name.namespace}} {
		if part.value == "" {
			return fmt.Errorf("--%s: is missing, and --topic %q names none; EDS_%s can hold it too", part.flag, f.Topic, strings.ToUpper(part.flag))
		}
	}
	return nil
}

// checkPlace refuses what one of Consumer and Reader does not have.
func (f *pulsarFlags) checkPlace() error {
	if f.SubscriptionType != "" {
		t, ok := subscriptionType(f.SubscriptionType)
		if !ok {
			return fmt.Errorf("--subscription-type %q: must be Exclusive, Shared, Failover or Key_Shared", f.SubscriptionType)
		}
		f.SubscriptionType = string(t)
	}
	named := false
	for _, start := range []pulsarws.Start{pulsarws.Earliest, pulsarws.Latest} {
		if strings.EqualFold(f.From, string(start)) { // which could be an id, too
			f.From, named = string(start), true
		}
	}
	consumer, reader := "needs a --subscription", fmt.Sprintf("is for a Reader: the place of --subscription %q is kept by the service", f.Subscription)
	switch {
	case f.NackDelay <= 0:
		return fmt.Errorf("--nack-delay %q: must be above zero", f.NackDelay)
	case f.Subscription != "" && f.Cursor != "":
		return fmt.Errorf("--cursor %q: %s", f.Cursor, reader)
	case f.Subscription != "" && !named:
		return fmt.Errorf("--from %q: must be earliest or latest; a message id %s", f.From, reader)
	case f.Subscription == "" && f.SubscriptionType != "":
		return fmt.Errorf("--subscription-type %q: %s", f.SubscriptionType, consumer)
	case f.Subscription == "" && f.AckTimeout != nil:
		return fmt.Errorf("--ack-timeout %q: %s", *f.AckTimeout, consumer)
	case f.Subscription == "" && f.Pull:
		return fmt.Errorf("--pull: %s", consumer)
	}
	return nil
}

// checkStandby refuses to wait where nobody is refused.
func (f *sourceFlags) checkStandby() error {
	flag := "--standby"
	if f.Lease != "" {
		flag = "--lease"
	}
	switch {
	case !f.stands():
		return nil
	case f.Subscription == "":
		return fmt.Errorf("%s: needs a --subscription: any number of Readers can read a topic", flag)
	case f.SubscriptionType != "" && f.SubscriptionType != string(pulsarws.Exclusive):
		return fmt.Errorf("%s: is for an Exclusive subscription; those of --subscription-type %q share by themselves", flag, f.SubscriptionType)
	}
	return nil
}

// subscriptionType reads the name of a type as people write it.
func subscriptionType(s string) (pulsarws.SubscriptionType, bool) {
	plain := strings.NewReplacer("_", "", "-", "").Replace(s)
	for _, t := range []pulsarws.SubscriptionType{pulsarws.Exclusive, pulsarws.Shared, pulsarws.Failover} {
		if strings.EqualFold(plain, string(t)) {
			return t, true
		}
	}
	return pulsarws.KeyShared, strings.EqualFold(plain, "KeyShared")
}

// openTopic returns the transport, of a Reader with its place.
func (f *sourceFlags) openTopic(log *slog.Logger, held lease.Lease) (transport, func(), error) {
	if f.Subscription != "" {
		return f.pulsar(log, nil, held), func() {}, nil
	}
	if f.Cursor == "" {
		log.Warn("nothing is kept of the place: what is published while this command does not run may be left out, or come again",
			"topic", f.name.String(), "from", f.From, "kept_by", "--cursor FILE or --subscription NAME")
		return f.pulsar(log, nil, nil), func() {}, nil
	}
	store, err := cursor.OpenFile(f.Cursor)
	if wrong, ok := errors.AsType[*eds.ConfigError](err); ok {
		return nil, nil, fmt.Errorf("--cursor %q: %s", f.Cursor, wrong.Reason)
	} else if err != nil {
		return nil, nil, fmt.Errorf("--cursor %q: %w", f.Cursor, err)
	}
	return f.pulsar(log, store, nil), func() { _ = store.Close() }, nil
}

// refused says which flag a place belongs to that the service does not take.
func (f *sourceFlags) refused(err error) error {
	wrong, ok := errors.AsType[*eds.ConfigError](err)
	if !ok || wrong.Setting != "position" && wrong.Setting != "Cursor" {
		return err
	}
	if f.Cursor != "" {
		return fmt.Errorf("--cursor %q: %w", f.Cursor, err)
	}
	return fmt.Errorf("--from %q: %w", f.From, err)
}

// pulsar returns the Consumer or the Reader. A Reader keeps its place in the
// store, or for the time of the process when that is nil; a Consumer stands by
// with those that share the lease, which may be nil.
func (f *sourceFlags) pulsar(log *slog.Logger, store cursor.Store, held lease.Lease) transport {
	common := f.common(log)
	if f.Subscription == "" {
		opts := []pulsarws.ReaderOption{pulsarws.From(pulsarws.Start(f.From)), pulsarws.RedeliveryDelay(f.NackDelay)}
		for _, o := range common {
			opts = append(opts, o)
		}
		if store != nil {
			opts = append(opts, pulsarws.Cursor(store, f.name.full()))
		}
		if f.ClientName != "" {
			opts = append(opts, pulsarws.ReaderName(f.ClientName))
		}
		if f.is8x8() {
			return streaming8x8.NewReader(f.host(), f.tenant8x8(), f.topic8x8(), opts...)
		}
		return pulsarws.NewReader(f.URL, f.name.full(), opts...)
	}
	opts := []pulsarws.ConsumerOption{pulsarws.NackDelay(f.NackDelay)}
	for _, o := range common {
		opts = append(opts, o)
	}
	if f.SubscriptionType != "" {
		opts = append(opts, pulsarws.Subscribe(pulsarws.SubscriptionType(f.SubscriptionType)))
	}
	if f.From == string(pulsarws.Earliest) {
		opts = append(opts, pulsarws.FromEarliest())
	}
	if f.AckTimeout != nil {
		opts = append(opts, pulsarws.AckTimeout(*f.AckTimeout))
	}
	if f.Standby {
		opts = append(opts, pulsarws.Standby())
	}
	if held != nil {
		opts = append(opts, pulsarws.Lease(held))
	}
	if f.Pull {
		opts = append(opts, pulsarws.PullMode())
	}
	if f.ClientName != "" {
		opts = append(opts, pulsarws.ConsumerName(f.ClientName))
	}
	if f.is8x8() {
		return streaming8x8.NewConsumer(f.host(), f.tenant8x8(), f.topic8x8(), f.Subscription, opts...)
	}
	return pulsarws.NewConsumer(f.URL, f.name.full(), f.Subscription, opts...)
}

// common are the settings that a Consumer and a Reader share.
func (f *sourceFlags) common(log *slog.Logger) []pulsarws.ReceiverOption {
	opts := []pulsarws.ReceiverOption{
		pulsarws.Logger(log), pulsarws.ReceiverQueueSize(f.Window), pulsarws.PongTimeout(f.PongTimeout),
		pulsarws.Backoff(f.pauses(time.Second, time.Minute)),
	}
	if f.APIKey != "" {
		opts = append(opts, pulsarws.Token(f.APIKey))
	}
	if f.PingInterval != nil {
		opts = append(opts, pulsarws.PingInterval(*f.PingInterval))
	}
	if f.Insecure {
		opts = append(opts, pulsarws.Insecure())
	}
	return opts
}
