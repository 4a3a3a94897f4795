// Package edsv2 receives events from Empego's Event Delivery Service, version
// 2, over its WebSocket.
//
//	app := eds.New(edsv2.New("wss://eds.example", "my-queue", edsv2.APIKey(key)))
//
// The service allows one connection per queue and expects an acknowledgement
// of every delivery within 30 seconds. The Transport keeps that connection
// alive, comes back after each loss of it, waits as a standby while another
// client holds the queue, and gives up only where trying again cannot help:
// when the key is refused (*eds.AuthError) or the URL or the queue is wrong
// (*eds.ConfigError).
//
// The vendor's pages contradict one another in places: refusals come as HTTP
// statuses or as close codes, acknowledgements are confirmed or not, pings
// carry a correlation id or not. The Transport works with both readings of
// each.
package edsv2
