package main

import "strings"

type simulateCommand struct {
	EDS    simulateEDSCommand    `cmd:"" name:"eds" default:"withargs" help:"Run a local EDS V2 service; eds simulate alone does the same."`
	Pulsar simulatePulsarCommand `cmd:"" help:"Run a local Pulsar or 8x8 Event Streaming."`
}

func (simulateCommand) Help() string {
	return `Nothing that a simulator holds survives its end.

Example:

  eds simulate --queue orders --api-key secret --events 3
  eds simulate pulsar --api-key secret --rate 2`
}

// remembered bounds what a simulator that runs for days keeps of its past.
const remembered = 10_000

// reachable names this machine where the address is that of all interfaces.
func reachable(url string) string {
	for _, all := range []string{"0.0.0.0", "[::]"} {
		if port, ok := strings.CutPrefix(url, "ws://"+all+":"); ok {
			return "ws://127.0.0.1:" + port
		}
	}
	return url
}
