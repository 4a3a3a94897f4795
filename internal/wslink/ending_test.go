package wslink

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// Servers answer with pages for browsers, of which one line says what is wrong.
func TestRefusalShowsTheTitleOfAPage(t *testing.T) {
	l := New(Config[*Line]{Package: "p", Kind: "queue", Name: "q", Judge: func(end *Ending) Class { return OfStatus(end.Status) }})
	for _, c := range []struct{ contentType, body, want string }{
		{"text/html;charset=iso-8859-1", "<html>\n<head>\n<meta charset=\"x\"/>\n<title>Error 503 Failed to\ncreate &lt;it&gt; for SECRET</title>\n</head>\n<body><h2>HTTP ERROR 503",
			`"Error 503 Failed to\ncreate <it> for [redacted]"`},
		{"TEXT/HTML", `<HTML><TITLE lang="en"> Bad Gateway </TITLE>`, `"Bad Gateway"`},
		{"text/html", "<h1>no title</h1>", `"<h1>no title</h1>"`},
		{"text/plain", "<title>a</title> SECRET", `"<title>a</title> [redacted]"`},
		{"", "plain", `"plain"`},
	} {
		end := l.refusal(&http.Response{StatusCode: 503, Header: http.Header{"Content-Type": {c.contentType}}, Body: io.NopCloser(strings.NewReader(c.body))}, nil, "SECRET")
		if want := "p: the service answered 503: " + c.want; end.Err.Error() != want {
			t.Errorf("%s\nwant %s", end.Err, want)
		}
	}
}
