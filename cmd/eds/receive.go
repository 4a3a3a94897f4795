package main

import (
	"github.com/alecthomas/kong"
)

// receiveFlags are those of the commands that receive from a service.
type receiveFlags struct {
	sourceFlags
	pipelineFlags
}

// check is called once the flags are parsed. most is how many queues the
// command can take, and stream its own, "" for none.
func (f *receiveFlags) check(parsed *kong.Context, most int, stream streamURL) error {
	if err := f.decide(givenIn(parsed), most); err != nil {
		return err
	}
	return f.pipelineFlags.check(stream)
}

// receive adds an App for each source, with the rest of the pipeline.
func (p *process) receive(from *sourceFlags, rest pipeline) error {
	for _, name := range from.sources() {
		source, release, err := from.open(p.log, name)
		if err != nil {
			return err
		}
		p.release(release)
		rest.name, rest.source, rest.types = name, source, p.flags.Type
		if err := p.add(rest); err != nil {
			return err
		}
		stop := from.watchSilence(p.log, p.apps[len(p.apps)-1].app.Health)
		p.release(func() { stop() })
	}
	return nil
}
