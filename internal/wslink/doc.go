// Package wslink keeps a transport connected to its service: it dials, judges
// how connections end, pauses between two, takes up rotated keys, and knows
// how it all stands. A protocol puts its own session on each connection.
package wslink
