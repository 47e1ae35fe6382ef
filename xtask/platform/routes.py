"""Gives the HTTP API the routes that the template defines.

The SAM transform puts routes, authorizer and CORS into the `Body` of the API. AWS reads them from there; MiniStack
ignores that property, so this creates the same through the API Gateway calls. Nothing here runs against AWS.
"""

import hashlib
import json
import re

HTTP_METHODS = {"get", "post", "put", "patch", "delete", "head", "options", "x-amazon-apigateway-any-method"}
BODY_TAG = "body-sha256"


class Resolver:
    """Replaces the intrinsics that occur in the body of an HTTP API by what the stack made of them."""

    def __init__(self, region, account, parameters, physical_ids, arns, conditions):
        self.names = {"AWS::Region": region, "AWS::AccountId": account, "AWS::Partition": "aws", "AWS::NoValue": None}
        self.names.update(parameters)
        self.names.update(physical_ids)
        self.arns = arns
        self.conditions = conditions

    def resolve(self, value):
        if isinstance(value, list):
            return [self.resolve(item) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (name, argument), = value.items()
            if name == "Ref":
                return self.names[argument]
            if name == "Fn::Sub":
                return re.sub(r"\$\{([^}]+)\}", lambda hit: self.variable(hit.group(1)), argument)
            if name == "Fn::If":
                condition, then, otherwise = argument
                return self.resolve(then if self.conditions[condition] else otherwise)
            if name.startswith("Fn::"):
                raise ValueError(f"the body of the HTTP API uses {name}, which this step does not know yet")
        return {key: self.resolve(item) for key, item in value.items()}

    def variable(self, name):
        return self.arns[name.removesuffix(".Arn")] if name.endswith(".Arn") else str(self.names[name])


def ensure_routes(apigateway, api_id, body):
    """Makes the API match `body` and says how many routes it has; does nothing when it matches already."""
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    api = apigateway.get_api(ApiId=api_id)
    routes = apigateway.get_routes(ApiId=api_id, MaxResults="500")["Items"]
    if routes and api.get("Tags", {}).get(BODY_TAG) == digest:
        return len(routes), False

    for route in routes:
        apigateway.delete_route(ApiId=api_id, RouteId=route["RouteId"])
    for integration in apigateway.get_integrations(ApiId=api_id, MaxResults="500")["Items"]:
        apigateway.delete_integration(ApiId=api_id, IntegrationId=integration["IntegrationId"])
    for authorizer in apigateway.get_authorizers(ApiId=api_id, MaxResults="500")["Items"]:
        apigateway.delete_authorizer(ApiId=api_id, AuthorizerId=authorizer["AuthorizerId"])

    authorizers = {}
    for name, scheme in body["components"]["securitySchemes"].items():
        definition = scheme["x-amazon-apigateway-authorizer"]
        authorizers[name] = apigateway.create_authorizer(
            ApiId=api_id,
            Name=name,
            AuthorizerType=definition["type"].upper(),
            IdentitySource=[definition["identitySource"]],
            JwtConfiguration={
                "Issuer": definition["jwtConfiguration"]["issuer"],
                "Audience": definition["jwtConfiguration"]["audience"],
            },
        )["AuthorizerId"]

    integrations = {}
    count = 0
    for path, operations in body["paths"].items():
        for method, operation in operations.items():
            if method not in HTTP_METHODS:
                continue
            wanted = operation["x-amazon-apigateway-integration"]
            key = (wanted["uri"], wanted["payloadFormatVersion"])
            if key not in integrations:
                integrations[key] = apigateway.create_integration(
                    ApiId=api_id,
                    IntegrationType=wanted["type"].upper(),
                    IntegrationMethod=wanted["httpMethod"],
                    IntegrationUri=wanted["uri"],
                    PayloadFormatVersion=wanted["payloadFormatVersion"],
                )["IntegrationId"]
            verb = "ANY" if method.startswith("x-") else method.upper()
            route = {"ApiId": api_id, "RouteKey": f"{verb} {path}", "Target": f"integrations/{integrations[key]}"}
            scheme = next(iter(operation["security"][0]))
            if scheme == "NONE":
                route["AuthorizationType"] = "NONE"
            else:
                route["AuthorizationType"] = "JWT"
                route["AuthorizerId"] = authorizers[scheme]
            apigateway.create_route(**route)
            count += 1

    cors = body.get("x-amazon-apigateway-cors")
    if cors:
        apigateway.update_api(
            ApiId=api_id, CorsConfiguration={key[0].upper() + key[1:]: value for key, value in cors.items()}
        )
    arn = f"arn:aws:apigateway:{apigateway.meta.region_name}::/apis/{api_id}"
    apigateway.tag_resource(ResourceArn=arn, Tags={BODY_TAG: digest})
    return count, True
