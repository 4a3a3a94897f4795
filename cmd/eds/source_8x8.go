package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/eventdelivery/eds-go/transport/streaming8x8"
)

// The services that have topics.
const (
	service8x8    = "8x8"
	servicePulsar = "pulsar"
)

// regionFlags say that a topic is one of 8x8's, and where.
type regionFlags struct {
	Region  string `placeholder:"NAME" env:"EDS_REGION" help:"8x8 region, such as US2, in place of --url (${env})."`
	Cluster string `placeholder:"NAME" env:"EDS_CLUSTER" help:"Contact Center cluster, such as NA7, in place of --url (${env})."`
	Service string `placeholder:"8x8|pulsar" env:"EDS_SERVICE" help:"What a topic is of; 8x8 with --region, --cluster, or a host pulsar-ws-*.8x8.com, else pulsar (${env})."`
}

// decideHost finds out where the service of a topic is.
func (f *sourceFlags) decideHost(flags given) error {
	if err := flags.one(alternative{"url", &f.URL, f.address()}, alternative{"region", &f.Region, f.Region}, alternative{"cluster", &f.Cluster, f.Cluster}); err != nil {
		return err
	}
	var err error
	switch {
	case f.Service != "" && f.Service != service8x8 && f.Service != servicePulsar:
		return fmt.Errorf("--service %q: must be 8x8 or pulsar", f.Service)
	case f.Region != "":
		_, err = streaming8x8.Host(f.Region)
	case f.Cluster != "":
		_, err = streaming8x8.HostOfCluster(f.Cluster)
	case f.URL == "":
		return errors.New("--url: is missing, and so are --region and --cluster; EDS_URL can hold it too")
	case strings.Contains(f.URL, "/ws/v2/") || strings.Contains(f.URL, "/ws/v3/"):
		return fmt.Errorf("--url %q: must end before /ws/: the topic and the subscription have flags of their own", f.address())
	}
	switch {
	case err != nil:
		return inFlags(err, map[string]string{"8x8 region": "--region", "8x8 cluster": "--cluster"})
	case f.Service == servicePulsar && f.URL == "":
		return fmt.Errorf("--service %q: has neither regions nor clusters; --url names it", f.Service)
	case f.is8x8() && f.APIKey == "":
		return errors.New("--api-key: is missing; EDS_API_KEY can hold it too")
	}
	return nil
}

func (f *sourceFlags) is8x8() bool {
	if f.Service != "" {
		return f.Service == service8x8
	}
	if f.URL == "" {
		return true
	}
	u, err := url.Parse(f.URL)
	if err != nil {
		return false
	}
	host := strings.ToLower(u.Hostname())
	return strings.HasPrefix(host, "pulsar-ws-") && strings.HasSuffix(host, ".8x8.com")
}

// host is where 8x8 is.
func (f *sourceFlags) host() string {
	host := f.URL
	if f.Region != "" {
		host, _ = streaming8x8.Host(f.Region) // decideHost has seen that it is one
	} else if f.Cluster != "" {
		host, _ = streaming8x8.HostOfCluster(f.Cluster)
	}
	return host
}

// tenant8x8 and topic8x8 are the topic's name as 8x8 wants it.
func (f *sourceFlags) tenant8x8() string { return f.name.domain + "://" + f.name.tenant }

func (f *sourceFlags) topic8x8() streaming8x8.Topic {
	return streaming8x8.Topic{Namespace: f.name.namespace, Name: f.name.topic}
}
