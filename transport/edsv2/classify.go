package edsv2

import (
	"github.com/coder/websocket"

	"github.com/eventdelivery/eds-go/internal/wslink"
)

// The close codes that the vendor's FAQ names, and 4403, which completes them:
// the same refusals come as HTTP statuses where the vendor's connection page is
// right.
const (
	closeUnauthorized websocket.StatusCode = 4401
	closeForbidden    websocket.StatusCode = 4403
	closeHeld         websocket.StatusCode = 4409
)

// judge says what an ending means. All close codes that are not named are
// routine: among them are a gateway's closes of idle connections and, every
// two hours, of all.
func judge(end *wslink.Ending) wslink.Class {
	switch end.Code {
	case 0:
		return wslink.OfStatus(end.Status)
	case closeUnauthorized, closeForbidden:
		return wslink.BadKey
	case closeHeld:
		return wslink.Held
	}
	return wslink.Transient
}
