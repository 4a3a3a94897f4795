package main

import (
	"errors"
	"fmt"

	"github.com/eventdelivery/eds-go/eds"
)

// inFlags says in the words of the command line what the library says of its
// settings. flags names the flag of each setting; what it does not name stays
// as it is.
func inFlags(err error, flags map[string]string) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, err := range joined.Unwrap() {
			all = append(all, inFlags(err, flags))
		}
		return errors.Join(all...)
	}
	wrong, ok := errors.AsType[*eds.ConfigError](err)
	if !ok {
		return err
	}
	switch flag := flags[wrong.Setting]; flag {
	case "":
		return err
	case "--api-key":
		return fmt.Errorf("%s: %s; EDS_API_KEY can hold it too", flag, wrong.Reason)
	case "--secret":
		return fmt.Errorf("%s: %s", flag, wrong.Reason)
	default:
		return fmt.Errorf("%s %q: %s", flag, wrong.Value, wrong.Reason)
	}
}
