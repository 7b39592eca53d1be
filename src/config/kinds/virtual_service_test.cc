#include "config/kinds/testing.h"

namespace sluice::kinds {
namespace {

VirtualHost host(std::string_view spec) {
  return *good<VirtualService>("vs", spec).virtual_host;
}

Route route(std::string_view spec) {
  return host(fmt::format("virtualHost: {{routes: [{{{}}}]}}", spec)).routes.at(0);
}

TEST(VirtualService, reads_matchers) {
  const Route r = route(R"(matchers: [{exact: /a, caseSensitive: false, methods: [GET, 'P.*'],
    headers: [{name: x, value: 'a.*', regex: true, invertMatch: true}, {name: ':method'}],
    queryParameters: [{name: q, value: '1'}]}, {regex: '/b/[0-9]+'}, {prefix: /c}], routeAction: {dynamicForwardProxy: {}})");
  ASSERT_EQ(r.matchers.size(), 3u);
  EXPECT_EQ(r.matchers[0].path_match, PathMatch::exact);
  EXPECT_EQ(r.matchers[0].path, "/a");
  EXPECT_FALSE(r.matchers[0].case_sensitive);
  EXPECT_EQ(r.matchers[0].methods, (std::vector<std::string>{"GET", "P.*"}));
  EXPECT_TRUE(r.matchers[0].headers[0].regex && r.matchers[0].headers[0].invert_match);
  EXPECT_EQ(r.matchers[0].query_parameters[0].value, "1");
  EXPECT_EQ(r.matchers[1].path_match, PathMatch::regex);
  EXPECT_EQ(r.matchers[2].path_match, PathMatch::prefix);
}

TEST(VirtualService, serves_everything_where_domains_and_matchers_are_absent) {
  const VirtualHost h = host("virtualHost: {routes: [{directResponseAction: {status: 200}}]}");
  EXPECT_EQ(h.domains, std::vector<std::string>{"*"});
  EXPECT_TRUE(h.domains_absent);
  EXPECT_EQ(h.routes[0].matchers.at(0).path, "/");
  EXPECT_FALSE(host("virtualHost: {domains: ['*']}").domains_absent);
}

TEST(VirtualService, takes_every_form_of_domain) {
  for (const char* domain :
       {"a.com", "A.com:8080", "*.a.com", "*-bar.a.com", "a.*", "*", "127.0.0.1", "[::1]:80", "a_b"})
    EXPECT_EQ(host(fmt::format("virtualHost: {{domains: ['{}']}}", domain)).domains.at(0), domain);
}

TEST(VirtualService, reads_retries_of_routes_and_of_the_virtual_host) {
  const VirtualHost h = host(R"(virtualHost: {options: {retries: {retryOn: 5xx, numRetries: 3}}, routes: [
    {routeAction: {dynamicForwardProxy: {}}, options: {retries: {retryOn: connect-failure, perTryTimeout: 1s}}},
    {routeAction: {dynamicForwardProxy: {}}, options: {retries: {}}}, {routeAction: {dynamicForwardProxy: {}}}]})");
  EXPECT_EQ(h.options.retries->num_retries, 3u);
  EXPECT_TRUE(h.options.retries->retry_on.has(RetryOn::server_error));
  EXPECT_TRUE(h.routes[0].options.retries->retry_on.has(RetryOn::connect_failure));
  EXPECT_EQ(h.routes[0].options.retries->per_try_timeout, 1s);
  EXPECT_TRUE(h.routes[1].options.retries);  // an empty one: never, whatever the virtual host says
  EXPECT_FALSE(h.routes[2].options.retries);
  EXPECT_FALSE(host("virtualHost: {}").options.retries);
}

TEST(VirtualService, reads_actions) {
  const auto single = std::get<RouteAction>(route("routeAction: {single: {upstream: {name: u, namespace: x}}}").action);
  EXPECT_EQ(std::get<Destination>(single.destination).upstream, (ObjectRef{"u", "x"}));
  const auto multi = std::get<RouteAction>(route("routeAction: {multi: {destinations: [{destination: {upstream: {name: "
                                                 "u}}, weight: 1}, {destination: {upstream: {name: v}}}]}}")
                                               .action);
  EXPECT_EQ(std::get<MultiDestination>(multi.destination).destinations.at(0).weight, 1u);
  const auto header =
      std::get<RouteAction>(route("routeAction: {dynamicForwardProxy: {autoHostRewriteHeader: x-to}}").action);
  EXPECT_EQ(std::get<DynamicForwardProxyRoute>(header.destination).auto_host_rewrite_header, "x-to");
  const auto fixed =
      std::get<RouteAction>(route("routeAction: {dynamicForwardProxy: {hostRewrite: 'a.test:81'}}").action);
  EXPECT_EQ(std::get<DynamicForwardProxyRoute>(fixed.destination).host_rewrite, "a.test:81");
  const auto redirect = std::get<RedirectAction>(
      route(R"(redirectAction: {hostRedirect: b.test, regexRewrite: {pattern: {regex: '^/a/(.*)'}, substitution: '/\1'},
               httpsRedirect: true, portRedirect: 8443, stripQuery: true, responseCode: PERMANENT_REDIRECT})")
          .action);
  EXPECT_EQ(redirect.status(), 308);
  EXPECT_EQ(redirect.regex_rewrite->regex, "^/a/(.*)");
  EXPECT_EQ(redirect.port_redirect, 8443);
  const auto direct = std::get<DirectResponseAction>(route("directResponseAction: {status: 418, body: tea}").action);
  EXPECT_EQ(direct.body, "tea");
}

TEST(VirtualService, warns_where_gloo_does) {
  EXPECT_EQ(read_kind("vs", "{}").said, "virtualHost: warning: is absent: nothing is served");
  EXPECT_EQ(read_kind("vs", "virtualHost: {routes: [{routeAction: {}}]}").said,
            "virtualHost.routes[0].routeAction: warning: no destination is set: requests are answered 503");
}

TEST(VirtualService, warns_of_rewrites_that_leave_no_path) {
  const auto said = [](std::string_view route) {
    return read_kind("vs", fmt::format("virtualHost: {{routes: [{{{}}}]}}", route)).said;
  };
  const std::string at = "virtualHost.routes[0].";
  const std::string text = ": warning: \"x\" does not begin with \"/\": requests are answered 400";
  EXPECT_EQ(said("routeAction: {single: {upstream: {name: u}}}, options: {prefixRewrite: x}"),
            at + "options.prefixRewrite" + text);
  EXPECT_EQ(said("redirectAction: {prefixRewrite: x}"), at + "redirectAction.prefixRewrite" + text);
  EXPECT_EQ(said("redirectAction: {pathRedirect: x}"), at + "redirectAction.pathRedirect" + text);
  const auto regex = [&](std::string_view pattern, std::string_view substitution) {
    return said(fmt::format("redirectAction: {{regexRewrite: {{pattern: {{regex: '{}'}}, substitution: '{}'}}}}",
                            pattern, substitution));
  };
  EXPECT_EQ(regex("^/p", ""),
            at + "redirectAction.regexRewrite: warning: the path may not begin with \"/\" once \"^/p\" is replaced by "
                 "\"\": such requests are answered 400");
  EXPECT_NE(regex("/p/", "x"), "");
  EXPECT_EQ(regex("^/p", "/"), "");
  EXPECT_EQ(regex("^/p(/.*)$", "\\1"), "");
  EXPECT_EQ(regex("x", ""), "");
}

TEST(VirtualService, warns_of_matchers_that_no_path_fits) {
  const auto said = [](std::string_view matcher) {
    return read_kind(
               "vs",
               fmt::format("virtualHost: {{routes: [{{matchers: [{{{}}}], directResponseAction: {{status: 200}}}}]}}",
                           matcher))
        .said;
  };
  for (const std::string name : {"prefix", "exact"})
    EXPECT_EQ(said(name + ": orders"), "virtualHost.routes[0].matchers[0]." + name +
                                           ": warning: no request fits: paths begin with /; did you mean \"/orders\"?");
  for (const std::string_view good : {"prefix: /", "exact: /a", "exact: '*'", "regex: 'orders'"})
    EXPECT_EQ(said(good), "");
}

TEST(VirtualService, reads_options_of_routes_and_hosts) {
  const Route r =
      route(R"(routeAction: {dynamicForwardProxy: {}}, options: {timeout: 0s, idleTimeout: 1m, prefixRewrite: /x,
    hostRewrite: 'h.test:80', headerManipulation: {requestHeadersToAdd: [{header: {key: a, value: '%REQ(b)%'}, append: false},
    {headerSecretRef: {name: s, namespace: t}}], requestHeadersToRemove: [b], responseHeadersToAdd: [{header: {key: c}}],
    responseHeadersToRemove: [server]}})");
  EXPECT_EQ(r.options.timeout, Nanos(0));
  EXPECT_EQ(r.options.prefix_rewrite, "/x");
  const HeaderManipulation& m = r.options.header_manipulation;
  EXPECT_FALSE(m.request_headers_to_add[0].append);
  EXPECT_TRUE(m.response_headers_to_add[0].append);
  EXPECT_EQ(m.request_headers_to_add[1].header_secret_ref->name, "s");
  EXPECT_FALSE(m.empty());
}

TEST(VirtualService, says_which_options_do_nothing_where_nothing_is_forwarded) {
  const std::string options =
      "options: {timeout: 1s, idle_timeout: 1s, prefixRewrite: /x, hostRewrite: h.test, headerManipulation: "
      "{requestHeadersToAdd: [{header: {key: a, value: b}}], requestHeadersToRemove: [c], responseHeadersToRemove: "
      "[d]}}";
  for (const auto& [action, name] : {std::pair("redirectAction: {pathRedirect: /}", "redirectAction"),
                                     std::pair("directResponseAction: {status: 200}", "directResponseAction")}) {
    const std::string said =
        read_kind("vs", fmt::format("virtualHost: {{routes: [{{{}, {}}}]}}", action, options)).said;
    for (const std::string_view field :
         {"timeout", "idleTimeout", "prefixRewrite", "hostRewrite", "headerManipulation.requestHeadersToAdd",
          "headerManipulation.requestHeadersToRemove"})
      EXPECT_TRUE(said.contains(fmt::format(
          "virtualHost.routes[0].options.{}: warning: has no effect on a {}: nothing is forwarded", field, name)))
          << field << "\n"
          << said;
    EXPECT_FALSE(said.contains("responseHeaders")) << said;
  }
}

TEST(VirtualService, with_a_mistake_is_refused) {
  const auto in_route = [](std::string_view s) { return fmt::format("virtualHost: {{routes: [{{{}}}]}}", s); };
  const auto matcher = [&](std::string_view s) {
    return in_route(fmt::format("directResponseAction: {{status: 200}}, matchers: [{{{}}}]", s));
  };
  const auto options = [&](std::string_view s) {
    return in_route(fmt::format("directResponseAction: {{status: 200}}, options: {{{}}}", s));
  };
  const auto headers = [&](std::string_view s) { return options(fmt::format("headerManipulation: {{{}}}", s)); };
  expect_bad(
      "vs",
      {
          {"virtualHost: {domains: ['']}", "virtualHost.domains[0]: an empty domain"},
          {"virtualHost: {domains: ['a b']}", "virtualHost.domains[0]: \"a b\" is no domain"},
          {"virtualHost: {domains: ['*a*']}", "virtualHost.domains[0]: \"*a*\" is no domain"},
          {"virtualHost: {domains: [a.*.com]}", "virtualHost.domains[0]: \"a.*.com\" is no domain"},
          {"virtualHost: {domains: ['http://a']}", "virtualHost.domains[0]: \"http://a\" is no domain"},
          {"virtualHost: {domains: ['**']}", "virtualHost.domains[0]: \"**\" is no domain"},
          {"virtualHost: {domains: a.com}", "virtualHost.domains: expected a list, got \"a.com\""},
          {"virtualHost: {optionsConfigRefs: {}}", "virtualHost.optionsConfigRefs: not supported yet"},
          {"virtualHost: {}\nvirtualHosts: {}", "virtualHosts: unknown field; did you mean \"virtualHost\"?"},
          {"virtualHost: {options: {timeout: 5s}}", "virtualHost.options.timeout: unknown field"},
          {"virtualHost: {options: {jwt: {}}}", "virtualHost.options.jwt: not supported yet"},
          {"virtualHost: {options: {retries: {retryOn: retriable-headers}}}",
           "virtualHost.options.retries.retryOn: \"retriable-headers\" is not supported yet"},
          {"virtualHost: {routes: [{routeAction: {}, options: {retries: {numRetries: x}}}]}",
           "virtualHost.routes[0].options.retries.numRetries: expected a whole number"},
          {in_route(""), "virtualHost.routes[0].routeAction: invalid route: route must specify an action"},
          {in_route("routeAction: {}, redirectAction: {}"), "virtualHost.routes[0].redirectAction: only one of"},
          {in_route("delegateAction: {}"), "virtualHost.routes[0].delegateAction: not supported yet"},
          {in_route("routeAction: {single: {}}"), "virtualHost.routes[0].routeAction.single: upstream must be set"},
          {in_route("routeAction: {single: {upstream: {}}}"),
           "virtualHost.routes[0].routeAction.single.upstream.name: is required"},
          {in_route("routeAction: {single: {kube: {}}}"),
           "virtualHost.routes[0].routeAction.single.kube: not supported yet"},
          {in_route("routeAction: {upstreamGroup: {}}"),
           "virtualHost.routes[0].routeAction.upstreamGroup: not supported yet"},
          {in_route("routeAction: {clusterHeader: x}"),
           "virtualHost.routes[0].routeAction.clusterHeader: not supported yet"},
          {in_route("routeAction: {single: {upstream: {name: u}}, dynamicForwardProxy: {}}"),
           "virtualHost.routes[0].routeAction.dynamicForwardProxy: only one of single, dynamicForwardProxy may be set"},
          {in_route("routeAction: {multi: {destinations: []}}"),
           "virtualHost.routes[0].routeAction.multi.destinations: require a total weight"},
          {in_route("routeAction: {multi: {destinations: [{destination: {upstream: {name: u}}}]}}"),
           "virtualHost.routes[0].routeAction.multi.destinations: require a total weight"},
          {in_route("routeAction: {multi: {destinations: [{destination: {upstream: {name: u}}, weight: 4294967295}, "
                    "{destination: {upstream: {name: u}}, weight: 1}]}}"),
           "virtualHost.routes[0].routeAction.multi.destinations: weights add up"},
          {in_route("routeAction: {dynamicForwardProxy: {hostRewrite: a, autoHostRewriteHeader: b}}"),
           "virtualHost.routes[0].routeAction.dynamicForwardProxy.autoHostRewriteHeader: only one of"},
          {in_route("routeAction: {dynamicForwardProxy: {hostRewrite: 'http://a'}}"),
           "virtualHost.routes[0].routeAction.dynamicForwardProxy.hostRewrite: expected a host"},
          {in_route("routeAction: {dynamicForwardProxy: {hostRewrite: 'a:0'}}"),
           "virtualHost.routes[0].routeAction.dynamicForwardProxy.hostRewrite: expected a host"},
          {in_route("routeAction: {dynamicForwardProxy: {hostRewrite: 'u@a'}}"),
           "virtualHost.routes[0].routeAction.dynamicForwardProxy.hostRewrite: expected a host"},
          {in_route("routeAction: {dynamicForwardProxy: {autoHostRewriteHeader: 'a b'}}"),
           "virtualHost.routes[0].routeAction.dynamicForwardProxy.autoHostRewriteHeader: is no header name"},
          {in_route("redirectAction: {pathRedirect: /a, prefixRewrite: /b}"),
           "virtualHost.routes[0].redirectAction.prefixRewrite: only one of"},
          {in_route("redirectAction: {pathRedirect: //a}"),
           "virtualHost.routes[0].redirectAction.pathRedirect: the path is invalid: \"//a\" contains \"//\""},
          {in_route("redirectAction: {regexRewrite: {pattern: {regex: /a}, substitution: '/ b'}}"),
           "virtualHost.routes[0].redirectAction.regexRewrite.substitution: must not have spaces"},
          {in_route("redirectAction: {prefixRewrite: '/a b'}"),
           "virtualHost.routes[0].redirectAction.prefixRewrite: the rewrite is invalid"},
          {in_route("redirectAction: {regexRewrite: {pattern: {regex: '('}}}"),
           "virtualHost.routes[0].redirectAction.regexRewrite.pattern.regex: \"(\" is no regular"},
          {in_route("redirectAction: {regexRewrite: {}}"),
           "virtualHost.routes[0].redirectAction.regexRewrite.pattern: is required"},
          {in_route("redirectAction: {responseCode: 302}"),
           "virtualHost.routes[0].redirectAction.responseCode: expected one of MOVED_PERMANENTLY"},
          {in_route("redirectAction: {portRedirect: 65536}"),
           "virtualHost.routes[0].redirectAction.portRedirect: expected a whole number"},
          {in_route("directResponseAction: {}"), "virtualHost.routes[0].directResponseAction.status: is required"},
          {in_route("directResponseAction: {status: 199}"),
           "virtualHost.routes[0].directResponseAction.status: must be from 200 to 599, not 199"},
          {in_route("directResponseAction: {status: 600}"),
           "virtualHost.routes[0].directResponseAction.status: must be"},
          {matcher("methods: [GET]"), "virtualHost.routes[0].matchers[0]: one of prefix, exact, regex must be set"},
          {matcher("prefix: /a, exact: /b"),
           "virtualHost.routes[0].matchers[0].exact: only one of prefix, exact may be set"},
          {matcher("prefix: ''"), "virtualHost.routes[0].matchers[0].prefix: no path specifier provided"},
          {matcher("prefix: /a%2fb"), "virtualHost.routes[0].matchers[0].prefix: the path is invalid"},
          {matcher("prefix: /a/../b"), "virtualHost.routes[0].matchers[0].prefix: the path is invalid"},
          {matcher("exact: /a/.."), "virtualHost.routes[0].matchers[0].exact: the path is invalid"},
          {matcher("exact: '/a?b'"), "virtualHost.routes[0].matchers[0].exact: the path is invalid"},
          {matcher("exact: '/a%2'"), "virtualHost.routes[0].matchers[0].exact: the path is invalid"},
          {matcher("exact: '/a#b'"), "virtualHost.routes[0].matchers[0].exact: the path is invalid"},
          {matcher("regex: '['"), "virtualHost.routes[0].matchers[0].regex: \"[\" is no regular expression"},
          {matcher("regex: '(a)\\1'"), "virtualHost.routes[0].matchers[0].regex: "},
          {matcher("connectMatcher: {}"), "virtualHost.routes[0].matchers[0].connectMatcher: not supported yet"},
          {matcher("prefix: /, methods: ['']"), "virtualHost.routes[0].matchers[0].methods[0]: must not be empty"},
          {matcher("prefix: /, methods: ['(']"), "virtualHost.routes[0].matchers[0].methods[0]: \"(\" is no regular"},
          {matcher("prefix: /, headers: [{value: a}]"),
           "virtualHost.routes[0].matchers[0].headers[0].name: is required"},
          {matcher("prefix: /, headers: [{name: 'a b'}]"),
           "virtualHost.routes[0].matchers[0].headers[0].name: is no header name"},
          {matcher("prefix: /, headers: [{name: a, value: '(', regex: true}]"),
           "virtualHost.routes[0].matchers[0].headers[0].value: \"(\" is no regular"},
          {matcher("prefix: /, queryParameters: [{name: ''}]"),
           "virtualHost.routes[0].matchers[0].queryParameters[0].name: must not be empty"},
          {matcher("prefx: /"), "virtualHost.routes[0].matchers[0]: one of prefix"},
          {options("timeout: -1s"), "virtualHost.routes[0].options.timeout: must not be negative"},
          {options("timeout: 1s, retries: {retryOn: 5xx, perTryTimeout: 1s}"),
           "virtualHost.routes[0].options.retries: warning: perTryTimeout has no effect: the route's timeout is not "
           "longer"},
          {options("retries: {retryOn: 5xx, perTryTimeout: 20s}"),
           "virtualHost.routes[0].options.retries: warning: perTryTimeout has no effect"},
          {options("timeout: 5 secs"),
           "virtualHost.routes[0].options.timeout: expected a duration such as \"250ms\" or \"5s\", got \"5 secs\""},
          {options("retires: 3"), "virtualHost.routes[0].options.retires: unknown field; did you mean \"retries\"?"},
          {options("prefixRewrite: /a//b"), "virtualHost.routes[0].options.prefixRewrite: the rewrite is invalid"},
          {options("hostRewrite: 'a/b'"), "virtualHost.routes[0].options.hostRewrite: expected a host"},
          {options("autoHostRewrite: true"), "virtualHost.routes[0].options.autoHostRewrite: not supported yet"},
          {options("stagedTransformations: {}"),
           "virtualHost.routes[0].options.stagedTransformations: not supported yet"},
          {options("internalRedirect: {}"), "virtualHost.routes[0].options.internalRedirect: unknown field"},
          {headers("requestHeadersToAdd: [{}]"),
           "virtualHost.routes[0].options.headerManipulation.requestHeadersToAdd[0]: one of header, headerSecretRef "
           "must be set"},
          {headers("requestHeadersToAdd: [{header: {key: Host}}]"),
           "virtualHost.routes[0].options.headerManipulation.requestHeadersToAdd[0]: Host cannot be changed here: "
           "hostRewrite is for the host, prefixRewrite for the path (Gloo: \": -prefixed or host headers may not be "
           "modified. Received 'Host' header\")"},
          {headers("requestHeadersToAdd: [{header: {key: ':path'}}]"),
           "virtualHost.routes[0].options.headerManipulation.requestHeadersToAdd[0]: :path cannot be changed here"},
          {headers("requestHeadersToAdd: [{header: {key: 'a b'}}]"),
           "virtualHost.routes[0].options.headerManipulation.requestHeadersToAdd[0]: \"a b\" is no header name"},
          {headers("requestHeadersToAdd: [{header: {key: a, value: \"x\\r\\ny: z\"}}]"),
           "virtualHost.routes[0].options.headerManipulation.requestHeadersToAdd[0].header.value: must not hold line "
           "breaks"},
          {headers("requestHeadersToRemove: [host]"),
           "virtualHost.routes[0].options.headerManipulation.requestHeadersToRemove[0]: host cannot be changed here"},
          {headers("responseHeadersToAdd: [{header: {key: host}}]"),
           "virtualHost.routes[0].options.headerManipulation.responseHeadersToAdd[0]: an answer has no host"},
          {headers("responseHeadersToAdd: [{header: {key: ':status'}}]"),
           "virtualHost.routes[0].options.headerManipulation.responseHeadersToAdd[0]: :status is no header of an "
           "answer"},
          {headers("requestHeadersToAdd: [{header: {key: Transfer-Encoding, value: chunked}}]"),
           "virtualHost.routes[0].options.headerManipulation.requestHeadersToAdd[0]: 'Transfer-Encoding' cannot be "
           "changed: it frames the message or belongs to one connection, and the gateway writes it itself"},
          {headers("requestHeadersToRemove: [keep-alive]"),
           "virtualHost.routes[0].options.headerManipulation.requestHeadersToRemove[0]: 'keep-alive' cannot be "
           "changed"},
          {headers("responseHeadersToAdd: [{header: {key: content-length, value: '5'}}]"),
           "virtualHost.routes[0].options.headerManipulation.responseHeadersToAdd[0]: 'content-length' cannot be "
           "changed"},
          {headers("responseHeadersToRemove: [upgrade]"),
           "virtualHost.routes[0].options.headerManipulation.responseHeadersToRemove[0]: 'upgrade' cannot be changed"},
          {headers("responseHeadersToAdd: [{append: true}]"),
           "virtualHost.routes[0].options.headerManipulation.responseHeadersToAdd[0].header: is required"},
      });
}

}  // namespace
}  // namespace sluice::kinds
