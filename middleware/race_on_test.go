//go:build race

package middleware

// raceDetector makes sync.Pool forget at random, so that allocations cannot
// be counted.
const raceDetector = true
