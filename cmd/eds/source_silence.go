package main

import (
	"log/slog"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// silence is how long a topic of 8x8's may be connected without any event
// before that is worth a word.
const silence = 5 * time.Minute

// watchSilence says once when nothing has come for so long: 8x8 accepts the key
// in every region, and the topics of another one stay silent (page
// "Troubleshooting").
func (f *sourceFlags) watchSilence(log *slog.Logger, health func() eds.Health) (stop func() bool) {
	if f.Topic == "" || !f.is8x8() {
		return func() bool { return false }
	}
	return time.AfterFunc(silence, func() {
		if st := health().Transport; st.State == eds.Connected && st.LastEvent.IsZero() {
			log.Warn("connected, and no event yet: nothing happens, or the tenant is in another region, which stays silent",
				"host", f.host(), "topic", f.name.String())
		}
	}).Stop
}
