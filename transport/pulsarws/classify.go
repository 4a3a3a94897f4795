package pulsarws

import (
	"net/http"
	"time"

	"github.com/coder/websocket"
	"github.com/eventdelivery/eds-go/internal/wslink"
)

// wantedTopic is the least pause while a topic is not there that once was.
const wantedTopic = 30 * time.Second

// judge says what an ending means, of which connected tells whether there was
// a connection before. The statuses are those of the module pulsar-websocket
// (AbstractWebSocketHandler.getErrorCode).
func judge(end *wslink.Ending, connected bool) wslink.Class {
	switch end.Code {
	case 0:
	case websocket.StatusInternalError, websocket.StatusMessageTooBig:
		// The service did not understand what it was sent: it throws on
		// commands that it cannot read.
		end.Alarm = true
		return wslink.Transient
	default:
		// Idle, restarting, or one of the codes 1 to 8 that the documentation
		// shows and no WebSocket may send.
		return wslink.Transient
	}
	class := wslink.OfStatus(end.Status)
	if end.Status == http.StatusNotFound && connected {
		// The topic may be made again, and a gateway says the same while its
		// service is being replaced. At the start it is a wrong name.
		end.Alarm, end.RetryAfter = true, wantedTopic
		return wslink.Transient
	}
	return class
}
