//go:build race

package sim

// raceEnabled: the race detector makes a run several times slower, so that
// fewer seeds are played.
const raceEnabled = true
