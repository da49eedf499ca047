"""The data interface: every route, in one table. The application and the OpenAPI document are made from it."""

from streams.serving import routes_entities, routes_trending, routes_users, routes_videos

ROUTES = (*routes_users.ROUTES, *routes_videos.ROUTES, *routes_entities.ROUTES, *routes_trending.ROUTES)
