// Package wsconn is what the WebSocket transports share: a network connection
// that reads ahead and joins small writes, placed under coder/websocket, with
// the dialing, the keep-alive and the back-off around it.
package wsconn
